"""The OpenAI-compatible door in front of a restate-server, whose admin API knows handlers and invocations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import httpx2
from starlette.requests import Request

from perdure.door.port import Handler, Invocation, Target
from perdure.door.routes import Door
from perdure.errors import RequestError
from perdure.gateway.followed_streams import FollowedStreams
from perdure.gateway.restate_server import UNREACHABLE, RestateServer, Succeeded
from perdure.gateway.stream_object import NAME
from perdure.protocol.ids import decode_invocation_id
from perdure.stream_answers.log import Log
from perdure.streams import end
from perdure.streams.events import DEFAULT_NAME, StreamEvent

_JSON = "application/json"
_NOT_STARTED = ("pending", "scheduled", "ready")
_KINDS: dict[str, Literal["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"]] = {
    "Service": "SERVICE",
    "VirtualObject": "VIRTUAL_OBJECT",
    "Workflow": "WORKFLOW",
}


def restate_door(restate: RestateServer, admin_url: str, streams: FollowedStreams) -> Door:
    """The door; the server itself says which bodies are too long."""

    async def body(request: Request) -> bytes:
        return await request.body()

    return Door(_RestateInvocations(restate, admin_url, streams), body)


class _RestateInvocations:
    """See `perdure.door.port.Invocations`."""

    def __init__(self, restate: RestateServer, admin_url: str, streams: FollowedStreams) -> None:
        self._restate = restate
        self._admin_url = admin_url
        self._streams = streams

    async def handlers(self) -> Sequence[Handler]:
        services = (await self._admin("GET", "/services"))["services"]
        deployments = (await self._admin("GET", "/deployments"))["deployments"]
        created = {deployment["id"]: _ms(deployment["created_at"]) for deployment in deployments}
        return [
            _handler(service, handler, created.get(service["deployment_id"], 0))
            for service in services
            if service["name"] != NAME
            for handler in service["handlers"]
            if service.get("public", True) and handler.get("public", True)
        ]

    async def send(self, target: Target, body: bytes, idempotency_key: str | None) -> str:
        path = "/".join(quote(part, safe="") for part in (target.service, target.key, target.handler) if part)
        headers = {"content-type": _JSON}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        url = f"{self._restate.ingress_url}/{path}/send"
        return str((await self._ask("POST", url, content=body, headers=headers))["invocationId"])

    async def find(self, invocation_id: str) -> Invocation:
        decode_invocation_id(invocation_id)  # it goes into a query
        query = (
            "SELECT target_service_name, target_handler_name, target_service_key, created_at, status "
            f"FROM sys_invocation WHERE id = '{invocation_id}'"
        )
        rows = (await self._admin("POST", "/query", json={"query": query}))["rows"]
        if not rows:
            raise RequestError(404, f"invocation '{invocation_id}' not found")
        row = rows[0]
        target = Target(
            row["target_service_name"], row["target_handler_name"], row.get("target_service_key") or ""
        )
        return Invocation(invocation_id, target, _ms(row["created_at"]), row["status"] not in _NOT_STARTED)

    async def finished(self, invocation_id: str) -> StreamEvent:
        result, now_ms = await self._restate.attach(invocation_id), time.time_ns() // 1_000_000
        if isinstance(result, Succeeded):
            return end.succeeded(0, result.output, now_ms)
        return end.failed(0, result.code, result.message, now_ms)

    async def cancel(self, invocation_id: str) -> None:
        await self._admin("PATCH", f"/invocations/{invocation_id}/cancel")

    def log(self, invocation_id: str) -> Log:
        return self._streams.log(invocation_id, DEFAULT_NAME)

    async def _admin(self, method: str, path: str, **sent: Any) -> Any:
        return await self._ask(method, self._admin_url + path, headers={"accept": _JSON}, **sent)

    async def _ask(self, method: str, url: str, **sent: Any) -> Any:
        """The JSON of an answer; None where there is none."""
        try:
            response = await self._restate.http.request(method, url, **sent)
        except httpx2.TransportError as error:
            raise RequestError(UNREACHABLE, f"restate-server does not answer at {url}") from error
        if response.is_error:
            raise RequestError(response.status_code, _message(response))
        return response.json() if response.content else None


def _handler(service: Any, handler: Any, created_at_ms: int) -> Handler:
    return Handler(
        service=service["name"],
        kind=_KINDS[service["ty"]],
        name=handler["name"],
        input_content_type=_content_type(handler.get("input_description", "")),
        input_schema=handler.get("input_json_schema"),
        output_schema=handler.get("output_json_schema"),
        created_at_ms=created_at_ms,
    )


def _content_type(description: str) -> str | None:
    """The admin API tells it in words for people: `none`, `JSON string`, `text/plain`."""
    if description == "none":
        return None
    return _JSON if "json" in description.lower() else description


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, LookupError, TypeError):
        return response.text


def _ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
