"""A background response that is streamed is paid for once: whoever lives on hears it to its end."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
import restate
from agents import Agent, ModelBehaviorError, ModelSettings, OpenAIResponsesModel, set_tracing_disabled
from journal_server import JournalServer, value_of
from model_api import TEXT, ModelApi, ModelOf
from stream_log import StreamLog

from perdure import Budget, DurableOptions, DurableRunner, Price
from perdure.protocol.messages import MessageType
from perdure.streams.assemble import answer_text
from perdure.testing import harness

pytestmark = pytest.mark.anyio

BACKGROUND = ModelSettings(store=True, extra_args={"background": True})
CREATED, FETCHED = "Run call LLM", "Run retrieve response"
STORY = ["Input", CREATED, FETCHED, "Output"]
OPTIONS = DurableOptions(budget=Budget(prices={"m": Price(input=1_000_000, output=10_000_000)}))


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


def app_of(
    model: OpenAIResponsesModel, settings: ModelSettings = BACKGROUND, seen: list[Any] | None = None
) -> Any:
    """seen: gets what each attempt that comes to an end saw: the types of the model's events, the answer's
    ids and usage; or the error.
    """
    service = restate.Service("Agent")
    agent = Agent(name="A", model=model, model_settings=settings)
    told = [] if seen is None else seen

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        try:
            result = DurableRunner.run_streamed(agent, message, options=OPTIONS)
            raw = [event.data async for event in result.stream_events() if event.type == "raw_response_event"]
        except Exception as error:
            told.append(error)
            raise
        (response,) = result.raw_responses
        ids = (response.response_id, response.request_id)
        events = [event.type.removeprefix("response.") for event in raw]
        told.append((events, ids, result.context_wrapper.usage.total_tokens))
        return str(result.final_output)

    return restate.app([service])


def asked(*args: Any, **options: Any) -> JournalServer:
    return JournalServer(app_of(*args), "/invoke/Agent/run", request=b'"hello"', **options)


def values(server: JournalServer) -> list[dict[str, Any]]:
    return [json.loads(entry.value.content) for entry in server.entries(MessageType.RUN_COMPLETION)]


EVENTS = [
    "created", "in_progress", "output_item.added", "content_part.added", *["output_text.delta"] * 2,
    "output_text.done", "content_part.done", "output_item.done", "completed",
]  # fmt: skip


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_the_id_of_the_response_is_journaled_before_its_words(
    model_of: ModelOf, suspend_always: bool
) -> None:
    api, seen, log = ModelApi(), [], StreamLog()
    model = await model_of(api)
    server = asked(model, BACKGROUND, seen, suspend_always=suspend_always, sink=log.sink)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == STORY
    created, fetched = values(server)
    facts = {"agent": ["A"], "model": "m"}
    assert created == {"about": facts, "ok": {"pending": "resp_1"}}
    assert fetched["about"] == facts | {"tokens": [3, 2], "usd": 23.0}
    assert (api.created, api.streamed) == (["resp_1"], 1)
    assert seen == [(EVENTS, ("resp_1", "req_resp_1"), 5)]
    assert answer_text(log.streams["default"]) == TEXT
    assert [kind for _, kind, _ in log.current()].count("model_call") == 1


async def test_without_background_mode_a_streamed_call_is_one_entry(model_of: ModelOf) -> None:
    api, seen = ModelApi(), []
    server = asked(await model_of(api), ModelSettings(store=True), seen)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CREATED, "Output"]
    assert seen == [(EVENTS, ("resp_1", "req_resp_1"), 5)]
    assert api.retrieved == []


async def test_a_process_that_comes_after_a_crash_hears_the_same_response_to_its_end(
    model_of: ModelOf,
) -> None:
    """The first one dies in the middle of a word, which its readers have seen."""
    api, log, seen = ModelApi(outcomes=[None], held_after=5), StreamLog(), []
    server = asked(await model_of(api), sink=log.sink, retry_errors=True)
    first = asyncio.create_task(server.attempt())
    while answer_text(log.streams["default"]) != TEXT[0]:  # noqa: ASYNC110 - the log has no event for it
        await asyncio.sleep(0.005)
    journal = list(server.journal)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    api.finish()
    later = asked(await model_of(api), BACKGROUND, seen, sink=log.sink)  # another client, another process
    later.resume_from(journal)
    assert value_of(await later.run()) == TEXT
    assert later.commands() == STORY
    assert seen == [(EVENTS, ("resp_1", "req_resp_1"), 5)]
    assert (api.created, api.streamed) == (["resp_1"], 2)
    assert api.cancelled == [], "the end of an attempt is no reason to cancel"
    assert answer_text(log.streams["default"]) == TEXT


@pytest.mark.parametrize("break_at", [2, 3, 4, 5])
async def test_a_connection_that_breaks_after_any_entry_costs_no_response_but_one_in_flight(
    model_of: ModelOf, break_at: int
) -> None:
    """The entries are: Input, Run, its completion, Run, its completion, Output."""
    api = ModelApi()
    server = asked(await model_of(api), break_after={break_at})
    assert value_of(await server.run()) == TEXT
    assert server.attempts >= 2
    assert server.commands() == STORY
    assert len(api.created) <= (2 if break_at < 3 else 1)


async def test_a_stream_that_breaks_is_read_on_behind_its_last_event(model_of: ModelOf) -> None:
    api, seen, log = ModelApi(broken_after=[5, 5, 7]), [], StreamLog()
    server = asked(await model_of(api), BACKGROUND, seen, sink=log.sink)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == STORY
    assert api.created == ["resp_1"]
    assert [parse_qs(query).get("starting_after") for query, _ in api.polls] == [None, ["4"], ["4"], ["6"]]
    assert seen == [(EVENTS, ("resp_1", "req_resp_1"), 5)]
    words = [data["delta"] for _, kind, data in log.current() if kind == "text"]
    assert "".join(words) == TEXT, "no word is said twice"


async def test_refusals_that_pass_cost_no_new_response(model_of: ModelOf) -> None:
    api = ModelApi(poll_statuses=[503, 429], headers={429: {"retry-after-ms": "20"}})
    server = asked(await model_of(api))
    assert value_of(await server.run()) == TEXT
    assert (server.commands(), api.created, len(api.retrieved)) == (STORY, ["resp_1"], 3)


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
async def test_a_response_that_failed_as_a_5xx_or_429_does_is_asked_for_anew(
    model_of: ModelOf, code: str
) -> None:
    api = ModelApi(outcomes=[code, "completed"])
    server = asked(await model_of(api), suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CREATED, FETCHED, "Sleep", CREATED, FETCHED, "Output"]
    assert api.created == ["resp_1", "resp_2"]


async def test_as_often_as_the_policy_says_and_no_more(model_of: ModelOf) -> None:
    api = ModelApi(outcomes=["server_error"])
    output = await asked(await model_of(api)).run()
    assert "resp_4 failed: the model failed with server_error" in output.failure.message
    assert (output.failure.code, len(api.created)) == (500, 4)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("invalid_prompt", "response.failed"),
        ("incomplete", "max_output_tokens"),
        ("cancelled", "resp_1 was cancelled at the provider"),
    ],
)
async def test_a_response_that_ends_without_an_answer_is_an_error_of_the_sdk(
    model_of: ModelOf, outcome: str, says: str
) -> None:
    api, seen = ModelApi(outcomes=[outcome]), []
    output = await asked(await model_of(api), BACKGROUND, seen, suspend_always=True).run()
    assert says in output.failure.message
    assert {type(error) for error in seen} == {ModelBehaviorError}
    assert api.created == ["resp_1"]


async def test_a_response_that_the_provider_has_forgotten_is_a_clear_error(model_of: ModelOf) -> None:
    api = ModelApi(unknown={"resp_1"})
    output = await asked(await model_of(api)).run()
    assert output.failure.code == 404
    assert "'resp_1' not found" in output.failure.message
    assert api.created == ["resp_1"]


async def test_cancelling_the_invocation_cancels_the_response(model_of: ModelOf) -> None:
    api = ModelApi(outcomes=[None])
    async with harness(app_of(await model_of(api))) as h:
        invocation = await h.send("Agent/run", "hello")
        while not api.streamed:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)
        await h.cancel(invocation)
        with pytest.raises(Exception, match="cancel"):
            await h.attach(invocation)
    assert api.cancelled == ["resp_1"]


async def test_a_time_out_cancels_the_response_that_nobody_waits_for(model_of: ModelOf) -> None:
    api = ModelApi(outcomes=[None])
    server = asked(await model_of(api), BACKGROUND.resolve(ModelSettings(timeout=0.3)))
    output = await server.run()
    assert "timed out after 0.3 seconds" in output.failure.message
    assert server.commands() == ["Input", CREATED, FETCHED, "Run cancel response", "Output"]
    assert api.cancelled == ["resp_1"]


async def test_what_the_creation_was_sent_with_the_fetching_is_too(model_of: ModelOf) -> None:
    more = ModelSettings(extra_headers={"x-tenant": "t"}, response_include=["reasoning.encrypted_content"])
    api = ModelApi()
    assert value_of(await asked(await model_of(api), BACKGROUND.resolve(more)).run()) == TEXT
    ((query, headers),) = api.polls
    assert headers["x-tenant"] == "t"
    assert "reasoning.encrypted_content" in query
