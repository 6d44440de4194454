"""A restate-server as the gateway sees it: results of invocations, and the streams in our virtual object."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import quote

import httpx2

from perdure.errors import RequestError
from perdure.gateway.stream_object import NAME, Page, Read, Sealed

CONNECT_TIMEOUT_S = 5.0
RETRY_S = 0.25
NOT_COMPLETED = 470
UNREACHABLE = 503


@dataclass(frozen=True, slots=True)
class Succeeded:
    output: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    code: int
    message: str


Result = Succeeded | Failed


class RestateServer:
    """`ingress_url` of the server; `http` has no limits of its own.

    Methods raise RequestError: with the server's own status, and 503 when it does not answer.
    """

    def __init__(self, ingress_url: str, http: httpx2.AsyncClient) -> None:
        self.ingress_url = ingress_url.rstrip("/")
        self.http = http

    async def check(self) -> None:
        """Raises when there is no server."""
        response = await self._answered("GET", "/restate/health")
        if not response.is_success:
            raise RequestError(UNREACHABLE, f"{self.ingress_url} is no ingress ({response.status_code})")

    async def lookup(self, query: dict[str, str]) -> str:
        """The id of the invocation that has a workflow's key or an idempotency key."""
        response = await self._answered("POST", "/restate/lookup", json=query)
        return str(_json_of(response)["invocationId"])

    async def output(self, invocation_id: str) -> Result | None:
        """The result, None while there is none. Raises RequestError(404)."""
        response = await self._answered("GET", f"/restate/invocation/{quote(invocation_id, safe='')}/output")
        return None if response.status_code == NOT_COMPLETED else _result(response)

    async def is_over(self, invocation_id: str) -> bool:
        """Whether the invocation has completed, or is unknown by now."""
        try:
            return await self.output(invocation_id) is not None
        except RequestError as error:
            if error.status == UNREACHABLE:
                raise
            return True

    async def attach(self, invocation_id: str) -> Result:
        """Wait for the result, however often the server goes and comes back."""
        while True:
            try:
                path = f"/restate/invocation/{quote(invocation_id, safe='')}/attach"
                return _result(await self._answered("GET", path))
            except RequestError as error:
                if error.status != UNREACHABLE:
                    raise
            await asyncio.sleep(RETRY_S)

    async def read(self, key: str, start: int, count: int) -> Page:
        """Events of a stream."""
        asked = Read(start=start, count=count).model_dump()
        return Page.model_validate_json((await self._ask_object(key, "read", asked)).content)

    async def seal(self, key: str) -> Sealed:
        """Let a stream of a completed invocation take no more."""
        return Sealed.model_validate_json((await self._ask_object(key, "seal", None)).content)

    async def _ask_object(self, key: str, handler: str, asked: object) -> httpx2.Response:
        response = await self._answered("POST", f"/{NAME}/{quote(key, safe='')}/{handler}", json=asked)
        if response.is_error:
            raise RequestError(UNREACHABLE, f"{NAME}/{handler}: {_json_of(response).get('message')}")
        return response

    async def _answered(self, method: str, path: str, json: object = None) -> httpx2.Response:
        try:
            return await self.http.request(method, self.ingress_url + path, json=json)
        except httpx2.TransportError as error:
            why = str(error) or type(error).__name__
            raise RequestError(
                UNREACHABLE, f"restate-server does not answer at {self.ingress_url} ({why})"
            ) from error


def http_client() -> httpx2.AsyncClient:
    """A client that waits for answers as long as it takes: an attach may take weeks."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
    )


def _result(response: httpx2.Response) -> Result:
    if response.is_success:
        return Succeeded(response.content)
    told = _json_of(response)
    code, message = int(str(told.get("code", response.status_code))), str(told.get("message", response.text))
    if response.headers.get("x-restate-error-source") == "invocation":
        return Failed(code, message)
    raise RequestError(response.status_code, message)


def _json_of(response: httpx2.Response) -> dict[str, object]:
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
