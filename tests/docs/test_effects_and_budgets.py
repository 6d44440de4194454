"""The code of the guides on effects and budgets runs as it stands, but for the bank's address and model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import restate
from app_in_thread import served_by_thread
from pages import executed, page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure import DurableRunner, Happened, NotHappened, durable
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

EFFECTS = page("docs/guide/effects.md", "pay find settle")
BUDGETS = page("docs/guide/budgets.md", "agent prices")


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
    with served_by_thread(app) as url:
        yield url


async def test_the_payments_of_the_guide_on_effects(bank: str) -> None:
    replaced = [("https://bank.example", bank)]
    names = executed(EFFECTS.pay, replaced=replaced)
    clerk = names["clerk"]
    clerk.model = ScriptedModel([ToolCall("pay", {"euros": 5}), lambda items: str(items[-1]["output"])])  # type: ignore[index,call-overload]
    names = executed(EFFECTS.find, EFFECTS.settle, replaced=replaced, **names)
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

    names = executed(BUDGETS.agent, BUDGETS.prices)
    names["researcher"].model = NamedModel(["42"])
    async with harness(restate.app([names["service"]]), always_replay=True) as h:
        with pytest.raises(restate.TerminalError, match="there is no price for model 'gpt-5-mini'"):
            await h.call("Research/ask", "Well?")
        names["LIMIT"] = names["OURS"]
        assert await h.call("Research/ask", "Well?") == "42 (0.0000 USD)"
        names["LIMIT"] = type(names["LIMIT"])(budget=names["Budget"](calls=0))
        stopped = await h.call("Research/ask", "Again?")
    assert stopped.startswith("I had to stop: the budget is used up: 0 of 0 model calls")
