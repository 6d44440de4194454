"""A background response is paid for once: whoever lives on fetches it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    ModelBehaviorError,
    ModelRetrySettings,
    ModelSettings,
    OpenAIResponsesModel,
    retry_policies,
    set_tracing_disabled,
)
from journal_server import JournalServer, value_of
from model_api import TEXT, ModelApi, ModelOf

from perdure import DurableOptions, DurableRunner
from perdure.protocol.messages import MessageType
from perdure.testing import harness

pytestmark = pytest.mark.anyio

BACKGROUND = ModelSettings(store=True, extra_args={"background": True})
CREATED, FETCHED = "Run call LLM", "Run retrieve response"


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


def app_of(
    model: OpenAIResponsesModel, settings: ModelSettings = BACKGROUND, seen: list[Any] | None = None
) -> Any:
    service = restate.Service("Agent")
    agent = Agent(name="A", model=model, model_settings=settings)

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        try:
            result = await DurableRunner.run(agent, message, options=DurableOptions())
        except Exception as error:
            if seen is not None:
                seen.append(error)
            raise
        if seen is not None:
            (response,) = result.raw_responses
            seen.append(
                (response.response_id, response.request_id, result.context_wrapper.usage.total_tokens)
            )
        return str(result.final_output)

    return restate.app([service])


def asked(*args: Any, **options: Any) -> JournalServer:
    return JournalServer(app_of(*args), "/invoke/Agent/run", request=b'"hello"', **options)


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_the_id_of_a_background_response_is_journaled_before_its_answer(
    model_of: ModelOf, suspend_always: bool
) -> None:
    api, seen = ModelApi(polls_max=2), []
    server = asked(await model_of(api), BACKGROUND, seen, suspend_always=suspend_always)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CREATED, FETCHED, "Output"]
    created = server.entries(MessageType.RUN_COMPLETION)[0].value.content
    assert created == b'{"about":{"agent":["A"],"model":"m"},"ok":{"pending":"resp_1"}}'
    assert api.created == ["resp_1"]
    assert api.retrieved == ["resp_1"] * 3
    assert set(seen) == {("resp_1", "req_resp_1", 5)}
    assert (api.bodies[0]["background"], api.bodies[0]["store"]) == (True, True)


async def test_without_background_mode_a_model_call_is_one_entry(model_of: ModelOf) -> None:
    api = ModelApi()
    server = asked(await model_of(api), ModelSettings(store=True))
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CREATED, "Output"]
    assert api.retrieved == []


async def test_a_process_that_comes_after_a_crash_fetches_the_response_that_was_created(
    model_of: ModelOf,
) -> None:
    api = ModelApi(outcomes=[None])
    server = asked(await model_of(api), retry_errors=True)
    first = asyncio.create_task(server.attempt())
    while not api.retrieved:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.005)
    journal = list(server.journal)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    api.finish()
    later = asked(await model_of(api))  # another client, another process for all it knows
    later.resume_from(journal)
    assert value_of(await later.run()) == TEXT
    assert later.commands() == ["Input", CREATED, FETCHED, "Output"]
    assert api.created == ["resp_1"]
    assert api.cancelled == [], "the end of an attempt is no reason to cancel"


@pytest.mark.parametrize("break_at", [2, 3, 4, 5])
async def test_a_connection_that_breaks_after_any_entry_costs_no_response_but_one_in_flight(
    model_of: ModelOf, break_at: int
) -> None:
    """The entries are: Input, Run, its completion, Run, its completion, Output."""
    api = ModelApi()
    server = asked(await model_of(api), break_after={break_at})
    assert value_of(await server.run()) == TEXT
    assert server.attempts >= 2
    assert server.commands() == ["Input", CREATED, FETCHED, "Output"]
    assert len(api.created) <= (2 if break_at < 3 else 1)


async def test_polls_that_fail_for_a_passing_reason_cost_no_new_response(model_of: ModelOf) -> None:
    api = ModelApi(poll_statuses=[503, 429, 500], headers={429: {"retry-after-ms": "20"}}, polls_max=3)
    server = asked(await model_of(api))
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CREATED, FETCHED, "Output"]
    assert api.created == ["resp_1"]
    assert len(api.retrieved) == 4, "and the client's own five retries are off"


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
    api = ModelApi(outcomes=["server_error"], polls_max=0)
    server = asked(await model_of(api))
    output = await server.run()
    assert "resp_4 failed: the model failed with server_error" in output.failure.message
    assert output.failure.code == 500
    assert len(api.created) == 4


async def test_where_the_runner_makes_the_retries_each_is_a_new_response(model_of: ModelOf) -> None:
    retry = ModelRetrySettings(max_retries=1, policy=retry_policies.http_status([500]))
    settings = BACKGROUND.resolve(ModelSettings(retry=retry))
    api = ModelApi(outcomes=["server_error"], polls_max=0)
    output = await asked(await model_of(api), settings).run()
    assert "resp_2 failed" in output.failure.message
    assert len(api.created) == 2


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
    server = asked(await model_of(api), BACKGROUND, seen, suspend_always=True)
    output = await server.run()
    assert says in output.failure.message
    assert {type(error) for error in seen} == {ModelBehaviorError}
    assert api.created == ["resp_1"]


async def test_a_response_that_the_provider_has_forgotten_is_a_clear_error(model_of: ModelOf) -> None:
    api = ModelApi(unknown={"resp_1"})
    output = await asked(await model_of(api)).run()
    assert output.failure.code == 404
    assert "'resp_1' not found" in output.failure.message
    assert (api.created, api.retrieved) == (["resp_1"], ["resp_1"])


async def test_cancelling_the_invocation_cancels_the_response(model_of: ModelOf) -> None:
    api = ModelApi(outcomes=[None])
    async with harness(app_of(await model_of(api))) as h:
        invocation = await h.send("Agent/run", "hello")
        while not api.retrieved:  # noqa: ASYNC110
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


async def test_what_the_creation_was_sent_with_the_polls_are_too(model_of: ModelOf) -> None:
    more = ModelSettings(extra_headers={"x-tenant": "t"}, response_include=["reasoning.encrypted_content"])
    api = ModelApi()
    assert value_of(await asked(await model_of(api), BACKGROUND.resolve(more)).run()) == TEXT
    (query, headers) = api.polls[0]
    assert headers["x-tenant"] == "t"
    assert "reasoning.encrypted_content" in query
