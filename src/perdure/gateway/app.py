"""The gateway's door: streams are answered here, and everything else by restate-server."""

from __future__ import annotations

from urllib.parse import unquote

import httpx2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.door.routes import PREFIX as OPENAI
from perdure.door.routes import Door
from perdure.errors import RequestError
from perdure.gateway.followed_streams import FollowedStreams
from perdure.gateway.proxy import Proxy, Receive, Scope, Send, request_to
from perdure.gateway.restate_server import UNREACHABLE, RestateServer
from perdure.stream_answers.answer import stream_answer
from perdure.stream_answers.browser import module_response
from perdure.stream_answers.call import wants_stream
from perdure.stream_answers.cursor import stream_name

_ERROR_SOURCE = "x-restate-error-source"
_CALL = ("GET", "POST")


def gateway_app(restate: RestateServer, streams: FollowedStreams, openai: Door) -> Starlette:
    """The ASGI app in front of a server. `streams` are followed there too."""
    # Any origin, as on restate-server's own ingress. A pattern, for the origin to be named in the answer.
    cors = Middleware(
        CORSMiddleware,
        allow_origin_regex=".*",
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
        expose_headers=["x-restate-id", "idempotency-expires", _ERROR_SOURCE],
    )
    return Starlette(
        routes=[Route("/{path:path}", _Gateway(restate, streams, openai))],
        middleware=[cors],
        exception_handlers={RequestError: _told},
    )


class _Gateway:
    """Which requests are for a stream. An ASGI app, for the rest is passed on unread."""

    def __init__(self, restate: RestateServer, streams: FollowedStreams, openai: Door) -> None:
        self._restate = restate
        self._streams = streams
        self._openai = openai
        self._proxy = Proxy(restate.ingress_url, restate.http)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response: Response | None = None
        path = _segments(request)
        if path[0] == OPENAI:
            response = await self._openai.answer(request, path[1:])
        elif path[0] == "restate" and path[-1] == "stream":
            if request.method != "GET":
                raise RequestError(405, "method not allowed")
            response = await self._read(request, path[1:-1])
        elif path == ["restate", "client.js"] and request.method == "GET":
            response = module_response()
        elif request.method in _CALL and (send_path := _send_path(request, path)) and wants_stream(request):
            response = await self._call(request, send_path)
        await (response or self._proxy)(scope, receive, send)

    async def _read(self, request: Request, named: list[str]) -> Response:
        invocation_id = await self._invocation_id(named)
        return await stream_answer(
            request, invocation_id, self._streams.log(invocation_id, stream_name(request))
        )

    async def _invocation_id(self, named: list[str]) -> str:
        match named:
            case ["invocation", invocation_id]:
                return invocation_id
            case ["invocation", service, handler, idempotency_key]:
                query = {"service": service, "handler": handler, "idempotencyKey": idempotency_key}
                return await self._restate.lookup({"target": "idempotentInvocation", **query})
            case ["invocation", service, key, handler, idempotency_key]:
                query = {
                    "service": service,
                    "key": key,
                    "handler": handler,
                    "idempotencyKey": idempotency_key,
                }
                return await self._restate.lookup({"target": "idempotentInvocation", **query})
            case ["workflow", name, key]:
                query = {"workflowName": name, "workflowKey": key}
                return await self._restate.lookup({"target": "workflow", **query})
        raise RequestError(400, "bad path: name an invocation id, or a target and an idempotency key")

    async def _call(self, request: Request, send_path: bytes) -> Response:
        """Send, and answer with the stream. A client that leaves does not end the invocation."""
        if "delay" in request.query_params:
            raise RequestError(400, "a call cannot be delayed: use /send for that")
        try:
            sent = await self._restate.http.send(request_to(request, self._restate.ingress_url, send_path))
        except httpx2.TransportError as error:
            raise RequestError(
                UNREACHABLE, f"restate-server does not answer at {self._restate.ingress_url}"
            ) from error
        if not sent.is_success:
            headers = {
                name: sent.headers[name] for name in ("content-type", _ERROR_SOURCE) if name in sent.headers
            }
            return Response(sent.content, sent.status_code, headers)
        accepted = sent.json()
        if accepted["status"] == "PreviouslyAccepted" and "idempotency-key" not in request.headers:
            raise RequestError(409, "the workflow method was already invoked")
        invocation_id = str(accepted["invocationId"])
        return await stream_answer(
            request, invocation_id, self._streams.log(invocation_id, stream_name(request))
        )


def _send_path(request: Request, path: list[str]) -> bytes | None:
    """Where to send what is called. None: it is no call."""
    raw: bytes = request.scope["raw_path"]
    match path:
        case ["restate", "call", _, _, *_]:
            return raw.replace(b"/call/", b"/send/", 1)
        case ["restate" | "openapi", *_] | [*_, "send"] | [] | [_]:
            return None
    return raw.rstrip(b"/") + b"/send"


def _segments(request: Request) -> list[str]:
    """Of the path, decoded one by one: a key may hold a slash."""
    raw: bytes = request.scope["raw_path"]
    return [unquote(part) for part in raw.decode(errors="replace").strip("/").split("/")]


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    body = {"code": error.status, "message": error.message, "source": "ingress"}
    return JSONResponse(body, error.status, {_ERROR_SOURCE: "ingress"})
