"""Paths of the door, below `/v1`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.door.agents import Agent, named
from perdure.door.calls import Calls
from perdure.door.chat_api import ChatApi
from perdure.door.errors import request_error
from perdure.door.port import Invocations
from perdure.door.responses_api import ResponsesApi
from perdure.errors import RequestError

PREFIX = "v1"


class Door:
    """`read_body` takes a request's whole body, and raises RequestError(413) for one that is too long."""

    def __init__(self, invocations: Invocations, read_body: Callable[[Request], Awaitable[bytes]]) -> None:
        self._calls = Calls(invocations)
        self._responses = ResponsesApi(self._calls)
        self._chat = ChatApi(self._calls)
        self._read_body = read_body

    async def answer(self, request: Request, path: list[str]) -> Response:
        """`path`: the decoded segments after `/v1`. An API key is not looked at."""
        try:
            return await self._route(request, path)
        except RequestError as error:
            return request_error(error)

    async def _route(self, request: Request, path: list[str]) -> Response:
        match request.method, path:
            case "GET", ["models"]:
                data = [_model(agent) for agent in await self._calls.agents()]
                return JSONResponse({"object": "list", "data": data})
            case "GET", ["models", *parts]:
                return JSONResponse(_model(named("/".join(parts), await self._calls.agents())))
            case "POST", ["responses"]:
                return await self._responses.create(request, await self._read_body(request))
            case "GET", ["responses", response_id]:
                return await self._responses.retrieve(request, response_id)
            case "POST", ["responses", response_id, "cancel"]:
                return await self._responses.cancel(request, response_id)
            case "POST", ["chat", "completions"]:
                return await self._chat.create(request, await self._read_body(request))
        raise RequestError(404, f"there is no {request.method} /{PREFIX}/{'/'.join(path)} here")


def _model(agent: Agent) -> dict[str, object]:
    return {
        "id": agent.model,
        "object": "model",
        "created": agent.created_at_ms // 1000,
        "owned_by": agent.service,
        # For clients of ours: how to reach it without this door.
        "perdure": {
            "target": f"{agent.service}/{agent.handler}",
            "keyed": agent.keyed,
            "takes_text": agent.takes_text,
        },
    }
