"""What a client of an engine does, the same on each: call, send, attach, ask for outputs, act, look."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2

NO_BODY = object()


class InvocationClient:
    """`async with InvocationClient(ingress_url, admin_url, notes) as client:`. `notes` is the directory in
    which handlers note what really happened, a file for each label."""

    def __init__(self, ingress_url: str, admin_url: str, notes: Path) -> None:
        self.ingress = httpx2.AsyncClient(base_url=ingress_url, timeout=15)
        self.admin = httpx2.AsyncClient(base_url=admin_url, timeout=15)
        self._notes = notes

    async def __aenter__(self) -> InvocationClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.ingress.aclose()
        await self.admin.aclose()

    async def post(self, path: str, value: Any = NO_BODY, **headers: str) -> httpx2.Response:
        """POST to the ingress: `value` as JSON, or no body at all. `a_b` in a header's name is `a-b`."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        if value is NO_BODY:
            return await self.ingress.post(path, headers=named)
        return await self.ingress.post(path, json=value, headers=named)

    async def call(self, path: str, value: Any = NO_BODY, **headers: str) -> Any:
        """The value that a successful call answers with."""
        response = await self.post(path, value, **headers)
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def send(self, path: str, value: Any = NO_BODY, **headers: str) -> str:
        """The id of a new invocation that nobody waits for."""
        response = await self.post(f"{path}/send", value, **headers)
        assert response.status_code in (200, 202), f"{path}: {response.status_code} {response.text}"
        return str(response.json()["invocationId"])

    async def attach(self, invocation_id: str) -> httpx2.Response:
        return await self.ingress.get(f"/restate/invocation/{invocation_id}/attach")

    async def output(self, invocation_id: str) -> httpx2.Response:
        return await self.ingress.get(f"/restate/invocation/{invocation_id}/output")

    async def result(self, invocation_id: str) -> Any:
        response = await self.attach(invocation_id)
        assert response.status_code == 200, f"{invocation_id}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def act(self, verb: str, invocation_id: str) -> httpx2.Response:
        """`cancel`, `kill`, `purge`, `pause`, `resume` over the admin API."""
        return await self.admin.patch(f"/invocations/{invocation_id}/{verb}")

    async def invocation(self, invocation_id: str) -> dict[str, Any] | None:
        """What the engine says of it, without what is null; None when there is no such invocation."""
        rows = await self.query(f"SELECT * FROM sys_invocation WHERE id = '{invocation_id}'")
        return {name: value for name, value in rows[0].items() if value is not None} if rows else None

    async def last_failure(self, invocation_id: str) -> str:
        """Code and message of the last attempt that failed, '' when none did."""
        where = f"id = '{invocation_id}' AND event_type = 'TransientError'"
        rows = await self.query(
            f"SELECT event_json FROM sys_journal_events WHERE {where} ORDER BY appended_at DESC"
        )
        if not rows:
            return ""
        event = json.loads(rows[0]["event_json"])
        return f"[{event['error_code']}] {event['error_message']}"

    async def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a SQL query over the introspection tables, each column as JSON."""
        response = await self.admin.post(
            "/query", json={"query": sql}, headers={"accept": "application/json"}
        )
        assert response.is_success, f"{sql}: {response.status_code} {response.text}"
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows

    async def until_status(self, invocation_id: str, *statuses: str) -> None:
        """Returns once the invocation has one of these."""

        async def reached() -> bool:
            found = await self.invocation(invocation_id)
            return found is not None and found["status"] in statuses

        await until(reached)

    # ---- what really happened

    def notes(self, label: str) -> list[str]:
        path = self._notes / label
        return path.read_text().splitlines() if path.exists() else []

    def write_note(self, label: str) -> None:
        (self._notes / label).touch()

    async def noted(self, label: str, count: int = 1) -> list[str]:
        """The notes of a label, once there are so many."""

        async def enough() -> list[str] | None:
            lines = self.notes(label)
            return lines if len(lines) >= count else None

        lines: list[str] = await until(enough)
        return lines


async def until(found: Callable[[], Awaitable[Any]], timeout_s: float = 20) -> Any:
    """What `found` returns, once that is not None (nor False). Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = await found()
        if value is not None and value is not False:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come to be within {timeout_s} s")
        await anyio.sleep(0.02)
