"""The admin API of an engine: JSON over HTTP, or straight into the ASGI app of an engine in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx2

from perdure.errors import CommandError, EngineUnreachable, RequestError
from perdure.inspection.deployments import Deployment, Service, deployment_of, service_of
from perdure.protocol.page_header import PAGE_HEADER

_TIMEOUT = httpx2.Timeout(35, connect=5)  # a query may take 30 s
_HEADERS = {"content-type": "application/json", "accept": "application/json"}
# A router's words (the last are our own ingress's), and not the admin API's about an invocation.
_NO_SUCH_ROUTE = ("Not Found", "Method Not Allowed", "bad path")
_TOO_LARGE = 413
_OF_A_PAGE = {PAGE_HEADER: "1"}

Verb = Literal["cancel", "kill", "pause", "resume", "purge", "purge-journal", "restart-as-new"]
AsgiApp = Any
"""An ASGI application."""


@dataclass(frozen=True, slots=True)
class About:
    """is_perdure: it is the embedded engine; else a restate-server. ingress_url: where it says it is."""

    version: str
    ingress_url: str
    is_perdure: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of a query. A row lacks the columns that are null in it; restate-server does not name a
    column that is null in every row.
    """

    columns: list[str]
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a verb for one of many invocations. new_id: of a restart. error: why it was refused."""

    id: str
    new_id: str | None
    error: str | None


class AdminApi:
    """`async with AdminApi("127.0.0.1:9070") as api: ...`, at `host:port` or a URL.

    Every method raises:
        EngineUnreachable: nothing answers there, or nothing that is an engine.
        RequestError: the engine refused; `status` and `message` are its own.
    The constructor raises CommandError for what is no address.
    """

    def __init__(self, address: str, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.url = _url(address)
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT, headers=_HEADERS, transport=transport)
        self._about: About | None = None

    @classmethod
    def of_app(cls, app: AsgiApp, address: str = "http://127.0.0.1") -> AdminApi:
        """Of an engine in this process, without a socket: its admin app, reached by others at `address`."""
        return cls(address, transport=httpx2.ASGITransport(app=app))

    async def __aenter__(self) -> AdminApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def about(self) -> About:
        """Asked once, and again when it was away: it may have come back as another one."""
        if self._about is None:
            told = await self.request("GET", "/version", expected="ingress_endpoint")
            self._about = About(
                version=str(told.get("version", "")),
                ingress_url=str(told["ingress_endpoint"]).rstrip("/"),
                is_perdure=told.get("engine") == "perdure",
            )
        return self._about

    async def change(
        self,
        invocation_id: str,
        verb: Verb,
        *,
        deployment: str | None = None,
        from_index: int | None = None,
    ) -> str | None:
        """Ask for it; the engine may answer before it has happened. Returns the id of a restart.

        deployment: of resume and restart, `keep`, `latest` or an id. from_index: restart keeps the journal
        before this entry.
        """
        given = {"deployment": deployment, "from": from_index}
        query = {name: str(value) for name, value in given.items() if value is not None}
        answer = await self.request("PATCH", f"/invocations/{quote(invocation_id, safe='')}/{verb}", query)
        new_id: str | None = answer.get("new_invocation_id")
        return new_id

    async def change_many(
        self,
        invocation_ids: Sequence[str],
        verb: Verb,
        *,
        deployment: str | None = None,
        from_index: int | None = None,
    ) -> list[Changed]:
        """As `change`, for up to 1,000 in one request; one that is refused does not keep the others.
        from_index is for one id alone.
        """
        if len(invocation_ids) == 1:
            try:
                new_id = await self.change(
                    invocation_ids[0], verb, deployment=deployment, from_index=from_index
                )
            except RequestError as error:
                return [Changed(invocation_ids[0], None, error.message)]
            return [Changed(invocation_ids[0], new_id, None)]
        body: dict[str, object] = {"invocation_ids": list(invocation_ids)}
        if deployment is not None:
            body["deployment"] = deployment
        path = f"/internal/invocations_batch_operations/{verb}"
        answer = await self.request("POST", path, body=body, expected="succeeded")
        return [
            *(_succeeded(each) for each in answer["succeeded"]),
            *(Changed(each["invocation_id"], None, each["error"]) for each in answer["failed"]),
        ]

    async def query(self, sql: str, *, by_person: bool = False) -> Rows:
        """The rows of a SQL query: see docs/guide/sql.md for the tables.

        by_person: it is one that a person wrote, and may be heavy: it waits its turn, and pages do not.
        """
        headers = {} if by_person else _OF_A_PAGE
        told = await self.request("POST", "/query", body={"query": sql}, headers=headers, expected="rows")
        rows = told["rows"]
        in_rows = dict.fromkeys(name for row in rows for name in row)  # restate-server tells no others
        return Rows(told.get("columns") or list(in_rows), rows)

    async def services(self) -> list[Service]:
        """By name."""
        told = await self.request("GET", "/services", expected="services")
        return sorted((service_of(row) for row in told["services"]), key=lambda service: service.name)

    async def service(self, name: str) -> Service:
        return service_of(await self.request("GET", f"/services/{quote(name, safe='')}", expected="name"))

    async def deployments(self) -> list[Deployment]:
        """Newest first."""
        told = await self.request("GET", "/deployments", expected="deployments")
        return sorted(
            (deployment_of(row) for row in told["deployments"]),
            key=lambda each: each.created_at,
            reverse=True,
        )

    async def openapi(self, service: str) -> dict[str, Any]:
        """How the service is called over HTTP, as an OpenAPI document."""
        path = f"/services/{quote(service, safe='')}/openapi"
        document: dict[str, Any] = await self.request("GET", path)
        return document

    async def write_state(
        self, service: str, key: str, state: Mapping[str, bytes], version: str | None = None
    ) -> None:
        """Replace the whole state of a key. version: of the state that was read: see `objects.state`.

        Raises RequestError(409) if it is another one by now.
        """
        body = {
            "version": version,
            "object_key": key,
            "new_state": {name: list(value) for name, value in state.items()},
        }
        await self.request("POST", f"/services/{quote(service, safe='')}/state", body=body)

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        expected: str | None = None,
    ) -> Any:
        """The JSON of the answer, {} for an empty one. expected: a field that it has if it is an engine's."""
        content = None if body is None else json.dumps(body).encode()
        try:
            response = await self._http.request(
                method, self.url + path, params=dict(query or {}), content=content, headers=headers
            )
        except httpx2.TransportError as error:
            self._about = None
            raise EngineUnreachable(
                f"cannot reach the engine's admin API at {self.url}: is `perdure up` running?"
            ) from error
        if response.status_code == _TOO_LARGE:  # restate-server says so in plain text
            raise RequestError(_TOO_LARGE, response.text or "the body is too large")
        try:
            answer = json.loads(response.content) if response.content else {}
            if response.status_code >= 400 and not answer["message"].startswith(_NO_SUCH_ROUTE):
                raise RequestError(response.status_code, answer["message"], answer.get("restate_code"))
            if response.status_code < 400:
                if expected is not None:
                    answer[expected]
                return answer
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # no JSON, or not ours
        raise EngineUnreachable(
            f"what answers at {self.url} is not an engine's admin API (status {response.status_code}): "
            "is --admin the right address?"
        )


def _succeeded(each: Any) -> Changed:
    if isinstance(each, str):
        return Changed(each, None, None)
    return Changed(each["old_invocation_id"], each["new_invocation_id"], None)


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
