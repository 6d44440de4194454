"""The code of the guides on effects and budgets runs as it stands, but for the bank's address and model."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import restate
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure import DurableRunner, Happened, NotHappened, durable
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (GUIDE / page).read_text(), flags=re.DOTALL)


@pytest.fixture
def bank() -> Iterator[str]:
    """The address of a bank that knows idempotency keys."""
    receipts: dict[str, str] = {}

    async def pay(request: Request) -> Response:
        key = request.headers["idempotency-key"]
        return JSONResponse({"receipt": receipts.setdefault(key, f"receipt {len(receipts) + 1}")})

    async def look_up(request: Request) -> Response:
        found = receipts.get(request.query_params["key"])
        return JSONResponse([] if found is None else [{"receipt": found}])

    app = Starlette(routes=[Route("/payments", pay, methods=["POST"]), Route("/payments", look_up)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(5)


async def test_the_payments_of_the_guide_on_effects(bank: str) -> None:
    first, second, third = blocks("effects.md")
    names: dict[str, Any] = {}
    exec(compile(first.replace("https://bank.example", bank), "effects.md", "exec"), names)
    clerk = names["clerk"]
    clerk.model = ScriptedModel([ToolCall("pay", {"euros": 5}), lambda items: str(items[-1]["output"])])  # type: ignore[index,call-overload]
    for block in (second, third):
        exec(compile(block.replace("https://bank.example", bank), "effects.md", "exec"), names)
    service = restate.Service("Bank")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> list[str]:
        answer = (await DurableRunner.run(clerk, message)).final_output
        settled = await durable.run(ctx, names["settle"], 7)
        return [answer, settled, ctx.request().id]

    async with harness(restate.app([service]), always_replay=True) as h:
        answer, settled, invocation = await h.call("Bank/run", "Pay the invoice.")

    assert answer == "receipt 1"
    assert settled == '{"receipt":"receipt 2"}'
    assert await names["find_payment"](f"{invocation}/call_0_0") == Happened("receipt 1")
    assert await names["find_payment"](f"{invocation}/pay") == Happened("receipt 2")
    assert await names["find_payment"]("another") == NotHappened()


async def test_the_researcher_of_the_guide_on_budgets() -> None:
    class NamedModel(ScriptedModel):
        model = "gpt-5-mini"  # nobody knows whose

    source, prices = blocks("budgets.md")
    names: dict[str, Any] = {}
    exec(compile(source, "budgets.md", "exec"), names)
    exec(compile(prices, "budgets.md", "exec"), names)
    names["researcher"].model = NamedModel(["42"])
    async with harness(restate.app([names["service"]]), always_replay=True) as h:
        with pytest.raises(restate.TerminalError, match="there is no price for model 'gpt-5-mini'"):
            await h.call("Research/ask", "Well?")
        names["LIMIT"] = names["OURS"]
        assert await h.call("Research/ask", "Well?") == "42 (0.0000 USD)"
        names["LIMIT"] = type(names["LIMIT"])(budget=names["Budget"](calls=0))
        stopped = await h.call("Research/ask", "Again?")
    assert stopped.startswith("I had to stop: the budget is used up: 0 of 0 model calls")
