"""An engine with tests/cli/desk.py on it, for commands to be tried on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: object
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A running engine with desk.py."""

    name: str
    ingress: str
    admin: str

    def call(self, target: str, body: object = None) -> str:
        """The id of the invocation, which has completed."""
        answer = httpx2.post(f"{self.ingress}/{target}", timeout=20, **_json(body))
        return str(answer.headers["x-restate-id"])

    def send(self, target: str, body: object = None) -> str:
        answer = httpx2.post(f"{self.ingress}/{target}/send", timeout=20, **_json(body))
        return str(answer.json()["invocationId"])

    def kill(self, invocation_id: str) -> None:
        assert httpx2.patch(f"{self.admin}/invocations/{invocation_id}/kill", timeout=20).is_success

    def status(self, invocation_id: str) -> str | None:
        sql = f"SELECT status FROM sys_invocation WHERE id = '{invocation_id}'"
        headers = {"accept": "application/json"}
        answer = httpx2.post(f"{self.admin}/query", json={"query": sql}, headers=headers, timeout=20)
        rows = answer.json()["rows"]
        return str(rows[0]["status"]) if rows else None

    def wait_for(self, invocation_id: str, *statuses: str | None) -> None:
        deadline = time.monotonic() + 20
        while (seen := self.status(invocation_id)) not in statuses:
            assert time.monotonic() < deadline, f"{seen}, not {statuses}"
            time.sleep(0.05)


def _json(body: object) -> dict[str, Any]:
    return {} if body is None else {"json": body}


Command = Callable[..., Done]
