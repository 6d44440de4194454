"""Without a word of configuration a run knows what it costs, and a budget in USD holds. Every replay comes
to the same sum, whatever the list of its process says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    function_tool,
    set_tracing_disabled,
)
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from genai_prices.types import ModelPrice
from journal_server import JournalServer, value_of
from model_api import RESPONSE, ModelApi, client_of, served

from perdure import Budget, BudgetExceeded, DurableOptions, DurableRunner, Price, spent
from perdure.protocol.frames import Frame
from perdure.protocol.messages import MessageType
from perdure.testing import harness

pytestmark = pytest.mark.anyio

OPENAI = "https://api.openai.com/v1"
A_CALL = 26.25e-6  # of gpt-4o with 3 tokens of input, 1 of them cached, and 2 of output
TOOL_CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "look", "arguments": "{}"}
LOOKS = json.dumps({**RESPONSE, "id": "resp_1", "created_at": 0, "output": [TOOL_CALL]}).encode()


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@pytest.fixture
def api() -> ModelApi:
    return ModelApi()


def model(api: ModelApi, name: str = "gpt-4o", base_url: str = OPENAI) -> Model:
    return OpenAIResponsesModel(name, client_of(api, base_url))


def served_by(handler: Any) -> restate.app:  # type: ignore[valid-type]
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return restate.app([service])


def asked(handler: Any, **options: Any) -> JournalServer:
    return JournalServer(served_by(handler), "/invoke/Agent/run", request=b'"hello"', **options)


def running(
    model: Model, budget: Budget | None = None, *, runs: int = 1, streamed: bool = False, **more: Any
) -> Any:
    """A handler that says what so many runs cost, or that they were too dear."""
    agent = Agent(name="Clerk", model=model, **more)

    async def run(ctx: restate.Context, message: str) -> Any:
        options = DurableOptions(budget=budget)
        ended: Any = "done"
        try:
            for _ in range(runs):
                if streamed:
                    result = DurableRunner.run_streamed(agent, message, options=options)
                    async for _event in result.stream_events():
                        pass
                else:
                    await DurableRunner.run(agent, message, options=options)
        except BudgetExceeded as error:
            ended = str(error)
        return [ended, spent().calls, spent().usd, spent().calls_unpriced]

    return run


def told(server: JournalServer) -> list[dict[str, Any]]:
    values = [json.loads(entry.value.content) for entry in server.entries(MessageType.RUN_COMPLETION)]
    return [value["about"] for value in values]


@contextmanager
def list_says(price: str | None) -> Iterator[None]:
    """In the block every model of every provider costs so much; None: the list knows none."""
    free = {"input_mtok": Decimal(price or 0), "output_mtok": Decimal(price or 0)}
    models = {
        each.id: [replace(one, prices=ModelPrice(**free), price_variants=None) for one in each.models]
        for each in providers
    }
    known = [replace(each, models=models[each.id]) for each in providers] if price is not None else []
    set_custom_snapshot(DataSnapshot(known, from_auto_update=False))
    try:
        yield
    finally:
        set_custom_snapshot(None)


# ---- what is told


@pytest.mark.parametrize("suspend_always", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_says_what_it_costs_by_the_list_and_which_list(
    api: ModelApi, streamed: bool, suspend_always: bool
) -> None:
    server = asked(running(model(api), streamed=streamed), suspend_always=suspend_always)
    assert value_of(await server.run()) == ["done", 1, pytest.approx(A_CALL), 0]
    (facts,) = told(server)
    assert facts["price_list"].startswith("genai-prices 0.")
    assert facts | {"price_list": "some"} == {
        "agent": ["Clerk"],
        "model": "gpt-4o",
        "tokens": [3, 2],
        "usd": pytest.approx(A_CALL),
        "price_list": "some",
    }


async def test_the_chat_completions_api_too(api: ModelApi) -> None:
    server = asked(running(OpenAIChatCompletionsModel("gpt-4o", client_of(api, OPENAI))))
    assert value_of(await server.run()) == ["done", 1, pytest.approx((2.5 + 10) / 1e6), 0]


async def test_a_background_response_is_priced_when_it_is_fetched(api: ModelApi) -> None:
    background = ModelSettings(store=True, extra_args={"background": True})
    server = asked(running(model(api), model_settings=background), suspend_always=True)
    assert value_of(await server.run()) == ["done", 1, pytest.approx(A_CALL), 0]
    pending, fetched = told(server)
    assert "usd" not in pending
    assert fetched["usd"] == pytest.approx(A_CALL)


async def test_an_adapters_model_has_its_provider_in_its_name() -> None:
    adapter = pytest.importorskip("agents.extensions.models.litellm_model", reason="litellm is not installed")
    claude = adapter.LitellmModel("anthropic/claude-sonnet-4-5", api_key="k")
    played = ModelSettings(extra_args={"mock_response": "hi"})  # by LiteLLM: 10 tokens of input, 20 of output
    server = asked(running(claude, model_settings=played), suspend_always=True)
    assert value_of(await server.run()) == ["done", 1, pytest.approx(0.00033), 0]
    assert told(server)[0]["model"] == "anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize("package", ["litellm", "any_llm"])
@pytest.mark.parametrize("by_environment", [True, False])
async def test_an_adapter_that_is_sent_elsewhere_asks_a_model_that_nobody_knows(
    package: str, by_environment: bool, api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    adapter = import_module(f"agents.extensions.models.{package}_model")
    cls = adapter.LitellmModel if package == "litellm" else adapter.AnyLLMModel
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    async with served(api) as url:
        if by_environment:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
        server = asked(running(cls("openai/gpt-4o", None if by_environment else url, "k")))
        assert value_of(await server.run()) == ["done", 1, 0.0, 1]
    assert "usd" not in told(server)[0]


async def test_a_local_model_under_a_well_known_name_costs_nothing_that_we_knew(api: ModelApi) -> None:
    server = asked(running(model(api, base_url="http://127.0.0.1:11434/v1")))
    assert value_of(await server.run()) == ["done", 1, 0.0, 1]
    assert told(server) == [{"agent": ["Clerk"], "model": "gpt-4o", "tokens": [3, 2]}]


async def test_the_users_price_wins(api: ModelApi) -> None:
    ours = Budget(prices={"gpt-4o": Price(input=1_000_000, output=0)})
    server = asked(running(model(api), ours), suspend_always=True)
    assert value_of(await server.run()) == ["done", 1, 3.0, 0]
    assert told(server)[0]["usd"] == 3.0
    assert "price_list" not in told(server)[0]


# ---- budgets without prices


async def test_a_budget_in_usd_holds_without_prices(api: ModelApi) -> None:
    server = asked(running(model(api), Budget(usd=A_CALL), runs=2), suspend_always=True)
    # Each run has a budget of its own.
    assert value_of(await server.run()) == ["done", 2, pytest.approx(2 * A_CALL), 0]


@function_tool
async def look() -> str:
    return "found"


async def test_a_run_stops_when_its_list_prices_have_used_up_the_budget(api: ModelApi) -> None:
    api.answer = LOOKS
    server = asked(running(model(api), Budget(usd=1.5 * A_CALL), tools=[look]), suspend_always=True)
    ended, calls, usd, unpriced = value_of(await server.run())
    assert ended == "the budget is used up: 0.0001 of 0.0000 USD; no further model call is made"
    assert (calls, usd, unpriced) == (2, pytest.approx(2 * A_CALL), 0)
    assert len(api.asked) == 2


async def test_on_the_engine_itself(api: ModelApi) -> None:
    app = served_by(running(model(api), Budget(usd=1), runs=3))
    async with harness(app, always_replay=True) as h:
        assert await h.call("Agent/run", "hello") == ["done", 3, pytest.approx(3 * A_CALL), 0]
    assert len(api.asked) == 3


async def test_a_model_that_the_list_does_not_know_is_refused_before_it_is_asked(api: ModelApi) -> None:
    server = asked(running(model(api, base_url="http://ada:secret@gateway.test/v1?key=s"), Budget(usd=1)))
    message = (await server.run()).failure.message
    assert "there is no price for model 'gpt-4o' at http://gateway.test/v1/" in message
    assert "Budget(usd=..., prices={'gpt-4o': Price(input=..., output=...)})" in message
    assert api.asked == []


# ---- every replay comes to the same sum


def until(journal: list[Frame], answers: int) -> list[Frame]:
    """The journal up to the entry with that answer of a model."""
    ends = [at for at, frame in enumerate(journal, 1) if frame.type == MessageType.RUN_COMPLETION]
    return journal[: ends[answers - 1]]


@pytest.mark.parametrize("price", ["1000000", "0", None], ids=["dearer", "free", "unknown"])
async def test_a_replay_is_charged_what_the_journal_says_whatever_the_list_says_now(
    api: ModelApi, price: str | None
) -> None:
    """As after an upgrade of the list, or on another machine."""
    handler = running(model(api), Budget(usd=1), runs=2)
    server = asked(handler)
    expected = value_of(await server.run())
    later = asked(handler)
    later.resume_from(until(server.journal, answers=2))
    with list_says(price):
        assert value_of(await later.run()) == expected
    assert len(api.asked) == 2


async def test_a_decision_to_go_on_is_not_taken_back(api: ModelApi) -> None:
    """The first call had left something of the budget, so the journal has a second one. By the prices of now
    it would have been the last.
    """
    api.answer = LOOKS
    handler = running(model(api), Budget(usd=2.5 * A_CALL), tools=[look])
    server = asked(handler)
    assert value_of(await server.run())[1] == 3
    later = asked(handler)
    later.resume_from(until(server.journal, answers=3))  # a tool's answer is one too
    with list_says("1000000"):
        ended, calls, usd, _ = value_of(await later.run())
    assert ended.startswith("the budget is used up: 5.0001 of 0.0001 USD")
    assert (calls, usd) == (3, pytest.approx(5 + 2 * A_CALL)), "two at their price, and a new one"


async def test_a_call_made_again_where_the_list_does_not_know_it_fails_the_run_then_and_ever_after(
    api: ModelApi,
) -> None:
    handler = running(model(api), Budget(usd=1))
    server = asked(handler)
    await server.run()
    begun = [frame.type for frame in server.journal].index(MessageType.RUN) + 1
    later = asked(handler)
    later.resume_from(server.journal[:begun])
    with list_says(None):
        message = (await later.run()).failure.message
    assert "there was no price for model 'gpt-4o'" in message
    again = asked(handler)
    again.resume_from(until(later.journal, answers=1))
    assert (await again.run()).failure.message == message
