"""The chat example, on the embedded engine and on restate-server, killed while an answer is being written."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from engines import Engine

    from .conftest import Serve

AGENT = Path(__file__).parents[2] / "examples" / "chat" / "agent.py"

pytestmark = pytest.mark.anyio


class Parrot:
    """A model that repeats all that its user ever said; asked for `slow`, it thinks until it is woken."""

    def __init__(self) -> None:
        self.thinks = threading.Event()
        self.may_answer = threading.Event()
        route = Route("/v1/chat/completions", self.complete, methods=["POST"])
        self.app = Starlette(routes=[route])

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        said = [message["content"] for message in body["messages"] if message["role"] == "user"]
        if said[-1] == "slow":
            self.thinks.set()
            await anyio.to_thread.run_sync(self.may_answer.wait)
        message = {"role": "assistant", "content": " | ".join(said)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": body["model"]}
        return JSONResponse({**answer, "choices": [choice], "usage": usage})


def said(items: list[dict[str, Any]]) -> list[str]:
    return [
        item["content"] if item["role"] == "user" else f"-> {item['content'][0]['text']}" for item in items
    ]


async def test_a_chat_that_is_killed_while_it_answers_has_each_message_once(
    run_engine: Callable[..., AbstractAsyncContextManager[Engine]], serve: Serve
) -> None:
    parrot = Parrot()
    environ = {
        "OPENAI_BASE_URL": f"{serve(parrot.app)}/v1",
        "OPENAI_API_KEY": "none",
        "OPENAI_DEFAULT_MODEL": "parrot",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    async with run_engine(str(AGENT), **environ) as engine, httpx2.AsyncClient(timeout=60) as client:
        ada = f"{engine.ingress_url}/Chat/ada"
        assert (await client.post(f"{ada}/say", json="one")).json() == "one"
        sent = (await client.post(f"{ada}/say/send", json="slow")).json()["invocationId"]
        await anyio.to_thread.run_sync(parrot.thinks.wait)
        assert said((await client.get(f"{ada}/history")).json()) == ["one", "-> one", "slow"]

        await engine.restart()
        parrot.may_answer.set()

        answer = await client.get(f"{engine.ingress_url}/restate/invocation/{sent}/attach")
        assert answer.json() == "one | slow"
        assert (await client.post(f"{ada}/say", json="three")).json() == "one | slow | three"
        history = (await client.get(f"{ada}/history")).json()
        assert said(history) == ["one", "-> one", "slow", "-> one | slow", "three", "-> one | slow | three"]
        assert (await client.post(f"{engine.ingress_url}/Chat/bob/say", json="hi")).json() == "hi"

        assert (await client.post(f"{ada}/forget")).status_code == 200
        assert json.loads((await client.get(f"{ada}/history")).text) == []
