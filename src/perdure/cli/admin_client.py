"""Client of the engine's admin API: JSON over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, NotRequired, TypedDict, cast
from urllib.parse import urlsplit

from pyqwest import ReadError, RemoteProtocolError, SyncClient, SyncHTTPTransport, WriteError

from perdure.errors import CommandError, EngineUnreachable, RequestError

_TIMEOUT_S = 30.0
_JSON = {"content-type": "application/json", "accept": "application/json"}
_CONNECT_TIMEOUT_S = 5.0

_INVOCATION_ID = re.compile(r"inv_[0-9A-Za-z]+")
# A router's words (the last are our own ingress's), and not the admin API's about an invocation.
_NO_SUCH_ROUTE = ("Not Found", "Method Not Allowed", "bad path")

Verb = Literal["cancel", "kill"]


class JournalEntry(TypedDict):
    """One row of a journal. Timestamps are ISO 8601 in UTC."""

    index: int
    entry_type: str  # "Command: Run", "Notification: Run", ...
    appended_at: str
    name: NotRequired[str]
    completed: NotRequired[bool]  # only commands that have a completion
    completed_at: NotRequired[str]
    sleep_wakeup_at: NotRequired[str]
    invoked_id: NotRequired[str]
    invoked_target: NotRequired[str]
    value_preview: NotRequired[str]
    failure_preview: NotRequired[str]
    signal_id: NotRequired[int]
    signal_name: NotRequired[str]


class Invocation(TypedDict):
    """One invocation; what does not apply to it is absent. Timestamps are ISO 8601 in UTC."""

    id: str
    target: str
    status: str
    created_at: str
    modified_at: NotRequired[str]
    retry_count: NotRequired[int]
    last_failure: NotRequired[str]
    next_retry_at: NotRequired[str]
    scheduled_start_at: NotRequired[str]
    completed_at: NotRequired[str]
    completion_result: NotRequired[str]  # "success" or "failure"
    completion_failure: NotRequired[str]
    pinned_deployment_id: NotRequired[str]
    idempotency_key: NotRequired[str]
    invoked_by_id: NotRequired[str]
    invoked_by_target: NotRequired[str]
    journal_size: NotRequired[int]
    value_preview: NotRequired[str]
    journal: NotRequired[list[JournalEntry]]  # only where one invocation was asked for


class AdminClient:
    """Talks to one engine, at `host:port` or a URL.

    Raises:
        CommandError: the address is neither, or an invocation id cannot be one.
        EngineUnreachable: nothing answers there, or nothing that is an engine.
        RequestError: the engine refused; `status` and `message` are its own.
    """

    def __init__(self, address: str) -> None:
        self._url = _url(address)
        self._transport = SyncHTTPTransport(
            connect_timeout=_CONNECT_TIMEOUT_S,
            tls_include_system_certs=self._url.startswith("https:"),
            use_system_dns=True,  # names from /etc/hosts, such as those of containers
        )
        self._client = SyncClient(self._transport)

    def __enter__(self) -> AdminClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def invocations(self, *, status: str | None = None, limit: int | None = None) -> list[Invocation]:
        """Newest first."""
        given = {"status": status, "limit": limit}
        query = {name: str(value) for name, value in given.items() if value is not None}
        return cast("list[Invocation]", self._request("GET", "/invocations", query, expected="invocations"))

    def invocation(self, invocation_id: str) -> Invocation:
        """One invocation, with its journal."""
        return cast("Invocation", self._request("GET", f"/invocations/{_checked(invocation_id)}"))

    def change(self, invocation_id: str, verb: Verb) -> None:
        """Asks for it; the engine answers before it has happened."""
        self._request("PATCH", f"/invocations/{_checked(invocation_id)}/{verb}")

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a SQL query; columns that are null are absent."""
        body = json.dumps({"query": sql}).encode()
        return cast("list[dict[str, Any]]", self._request("POST", "/query", body=body, expected="rows"))

    def ingress_url(self) -> str:
        """Where the engine says that its ingress is."""
        return cast("str", self._request("GET", "/version", expected="ingress_endpoint")).rstrip("/")

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None] | None = None,
        *,
        body: bytes | None = None,
        expected: str | None = None,
    ) -> object:
        """The JSON of the answer, or the field of it that is expected; None for an empty answer."""
        try:
            response = self._client.execute(
                method,
                self._url + path,
                headers=_JSON,
                content=body,
                params=dict(query or {}),
                timeout=_TIMEOUT_S,
            )
        except (OSError, ReadError, WriteError, RemoteProtocolError) as error:
            raise EngineUnreachable(
                f"cannot reach the engine's admin API at {self._url}: is `perdure up` running?"
            ) from error
        try:
            answer = json.loads(response.content) if response.content else {}
            if response.status >= 400 and not answer["message"].startswith(_NO_SUCH_ROUTE):
                raise RequestError(response.status, answer["message"])
            if response.status < 400:
                return answer[expected] if expected else answer
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # no JSON, or not ours
        raise EngineUnreachable(
            f"what answers at {self._url} is not an engine's admin API (status {response.status}): "
            "is --admin the right address?"
        )


def _checked(invocation_id: str) -> str:
    if not _INVOCATION_ID.fullmatch(invocation_id):
        raise CommandError(
            f"{invocation_id!r} is not an invocation id (inv_...): `perdure invocations list` shows them"
        )
    return invocation_id


def _url(address: str) -> str:
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise CommandError(f"--admin {address!r}: write host:port or a URL, for example 127.0.0.1:9070")
    return url.rstrip("/")
