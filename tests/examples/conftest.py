"""Servers that the examples talk to, played by small apps on free ports: the model and Open-Meteo."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from agents import set_default_openai_api
from app_in_thread import served_by_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ROOT = Path(__file__).parents[2]
# As `python -m examples.demo` finds its modules.
sys.path.insert(0, str(ROOT))

Serve = Callable[[Starlette], str]


@pytest.fixture(autouse=True)
def default_api() -> Iterator[None]:
    """Examples choose the API of the process; a test that loads one must not choose for those after it."""
    yield
    set_default_openai_api("responses")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(app)` gives the app's address, until the end of the test."""
    with ExitStack() as servers:
        yield lambda app: servers.enter_context(served_by_thread(app))


@pytest.fixture
def closed_address() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class OpenMeteo:
    """Knows two places; remembers what it was asked."""

    PLACES = {"Detroit": (42.33, -83.05, 21.6, 0), "Tampa": (27.95, -82.46, 30.2, 95)}

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.app = Starlette(routes=[Route("/v1/search", self.search), Route("/v1/forecast", self.forecast)])

    async def search(self, request: Request) -> Response:
        name = request.query_params["name"]
        self.asked.append(name)
        if name not in self.PLACES:
            return JSONResponse({"generationtime_ms": 0.1})
        latitude, longitude, *_ = self.PLACES[name]
        return JSONResponse({"results": [{"name": name, "latitude": latitude, "longitude": longitude}]})

    async def forecast(self, request: Request) -> Response:
        for latitude, longitude, degrees, code in self.PLACES.values():
            if (str(latitude), str(longitude)) == (
                request.query_params["latitude"],
                request.query_params["longitude"],
            ):
                now = {"time": "2026-11-23T01:15", "temperature_2m": degrees, "weather_code": code}
                return JSONResponse({"current": now})
        return JSONResponse({"error": True, "reason": "no such place"}, 400)


class ScriptedModel:
    """Calls get_weather for the city of the question, then tells the temperature it was given, plus `lie`."""

    def __init__(self, lie: int = 0) -> None:
        self.lie = lie
        routes = [
            Route("/v1/models", self.models),
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    async def models(self, _request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        last = body["messages"][-1]
        if last["role"] == "tool":
            found = re.search(r"temperature_c\W+(-?\d+)", last["content"])
            degrees = int(found[1]) + self.lie if found else None
            message = {"role": "assistant", "content": f"It is {degrees}°C\nthere [right now]."}
        else:
            city = re.search(r"weather in (.+)\?", last["content"])
            arguments = json.dumps({"city": city and city[1]})
            function = {"name": "get_weather", "arguments": arguments}
            call = {"id": "call_1", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if "tool_calls" in message else "stop"
        return JSONResponse(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        )


@pytest.fixture
def open_meteo() -> OpenMeteo:
    return OpenMeteo()


@pytest.fixture
def model_that_lies() -> ScriptedModel:
    return ScriptedModel(lie=1)


@pytest.fixture
def scripted_model() -> ScriptedModel:
    return ScriptedModel()
