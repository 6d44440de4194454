"""The code of the guide to models runs as it stands."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import restate
from agents import Agent, OpenAIResponsesModel
from model_api import TEXT, ModelApi, client_of, served
from openai import AsyncOpenAI
from pages import executed, page

from perdure import DurableRunner
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

MODELS = page("docs/guide/models.md", "about tries background")
OPENAI = "https://api.openai.com/v1"
Use = Callable[[str], Awaitable[None]]


@pytest.fixture
async def default_client_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Use]:
    """Make a client of this base URL the default one of the SDK, which models by name use."""
    async with AsyncExitStack() as stack:

        async def use(url: str) -> None:
            client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key="k"))
            monkeypatch.setattr("agents.models._openai_shared._default_openai_client", client)

        yield use


async def test_the_patient_agent_asks_eight_times(default_client_of: Use) -> None:
    api = ModelApi([503] * 7 + [200])
    service = restate.Service("Agent")
    executed(MODELS.tries, service=service, agent=Agent(name="A", model="gpt-5"), restate=restate)
    async with served(api) as url, harness(service) as h:
        await default_client_of(url)
        assert await h.call("Agent/ask", "why?") == TEXT
    assert len(api.asked) == 8


async def test_the_researcher_is_asked_once_and_fetched(default_client_of: Use) -> None:
    api = ModelApi()
    service = restate.Service("Agent")
    researcher = executed(MODELS.background)["researcher"]

    @service.handler()
    async def ask(ctx: restate.Context, question: str) -> str:
        return str((await DurableRunner.run(researcher, question)).final_output)

    async with served(api) as url, harness(service, always_replay=True) as h:
        await default_client_of(url)
        assert await h.call("Agent/ask", "why?") == TEXT
    assert api.created == ["resp_1"]
    assert len(api.retrieved) == 2


async def test_an_entry_says_whose_call_it_was_and_what_it_cost() -> None:
    billing = Agent(name="Billing", model=OpenAIResponsesModel("gpt-5", client_of(ModelApi(), OPENAI)))
    triage = Agent(
        name="Triage",
        model=ScriptedModel([ToolCall("ask_billing", {"input": "?"}), "Paid."]),
        tools=[billing.as_tool("ask_billing", "Ask.")],
    )
    service = restate.Service("Agent")

    @service.handler()
    async def ask(ctx: restate.Context, question: str) -> str:
        return str((await DurableRunner.run(triage, question)).final_output)

    async with harness(service) as h:
        invocation = await h.send("Agent/ask", "paid?")
        await h.attach(invocation)
        journal = await h.journal(invocation)
    values = {each["value_preview"] for each in journal if "value_preview" in each}
    (entry,) = (json.loads(value) for value in values if '"Billing"]' in value)
    told = json.loads(MODELS.about.text)
    ours = {name: entry["about"][name] for name in ("call_id", "tokens", "usd", "price_list")}
    assert entry["about"] == {**told["about"], **ours}
    assert set(told["about"]) == set(entry["about"])
    assert ours["price_list"].startswith("genai-prices ")
    assert set(told["ok"]) <= set(entry["ok"])
