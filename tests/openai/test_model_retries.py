"""Model calls over real HTTP: what is tried again, when, by whom, and how often the server is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import openai
import pytest
import restate
from agents import (
    Agent,
    Model,
    ModelBehaviorError,
    ModelRetryBackoffSettings,
    ModelRetrySettings,
    ModelSettings,
    ModelTimeoutError,
    MultiProvider,
    OpenAIChatCompletionsModel,
    OpenAIProvider,
    OpenAIResponsesModel,
    ProgrammaticToolCallingTool,
    RunConfig,
    Runner,
    Tool,
    function_tool,
    retry_policies,
    set_tracing_disabled,
)
from free_port import free_port
from journal_server import JournalServer, value_of
from model_api import COMPLETION, RESPONSE, TEXT, ModelApi, served
from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve

from perdure import DurableOptions, DurableRunner, RetryPolicy
from perdure.errors import StepFailed
from perdure.protocol.messages import MessageType
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

CALL = "Run call LLM"
ClientOf = Callable[[ModelApi], Awaitable[AsyncOpenAI]]


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@pytest.fixture
async def client_of() -> AsyncIterator[ClientOf]:
    """A client, with five retries of its own, of an API that is served for the time of the test."""
    async with AsyncExitStack() as stack:

        async def client(api: ModelApi) -> AsyncOpenAI:
            url = await stack.enter_async_context(served(api))
            return await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key="k", max_retries=5))

        yield client


def asked(
    model: Model | str | None,
    settings: ModelSettings | None = None,
    options: DurableOptions | None = None,
    run_config: RunConfig | None = None,
    errors: list[Exception] | None = None,
    tools: Sequence[Tool] = (),
    **server: Any,
) -> JournalServer:
    service = restate.Service("Agent")
    agent = Agent(name="A", model=model, model_settings=settings or ModelSettings(), tools=list(tools))

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        try:
            result = await DurableRunner.run(agent, message, options=options, run_config=run_config)
        except Exception as error:
            if errors is not None:
                errors.append(error)
            raise
        return str(result.final_output)

    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **server)


def pauses_ms(server: JournalServer) -> list[int]:
    """The durable pauses, as they were decided."""
    ends = [json.loads(entry.value.content) for entry in server.entries(MessageType.RUN_COMPLETION)]
    return [end["error"]["retry_in_ms"] for end in ends if "retry_in_ms" in end.get("error", {})]


MODELS = [OpenAIChatCompletionsModel, OpenAIResponsesModel]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_a_busy_model_is_asked_again_once_per_journaled_try(
    client_of: ClientOf, kind: Any, status: int
) -> None:
    api = ModelApi(statuses=[status, status, 200])
    model = kind("m", await client_of(api))
    server = asked(model, suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert api.asked == [status, status, 200], "the client's own five retries are off"
    assert server.commands() == ["Input", CALL, "Sleep", CALL, "Sleep", CALL, "Output"]
    again = asked(model)
    again.resume_from(server.journal[:-1])
    assert value_of(await again.run()) == TEXT
    assert len(api.asked) == 3, "a replay asks nobody"


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("status", "error"), [(400, "BadRequestError"), (401, "AuthenticationError"), (404, "NotFoundError")]
)
async def test_what_another_try_would_not_change_is_final(
    client_of: ClientOf, kind: Any, status: int, error: str
) -> None:
    api = ModelApi(statuses=[status])
    output = await asked(kind("m", await client_of(api))).run()
    assert api.asked == [status]
    assert output.failure.code == status
    assert error in output.failure.message


@pytest.mark.parametrize("kind", MODELS)
async def test_the_policy_of_the_run_says_how_often(client_of: ClientOf, kind: Any) -> None:
    api = ModelApi(statuses=[503])
    options = DurableOptions(model_retry=RetryPolicy(attempts_max=2))
    output = await asked(kind("m", await client_of(api)), options=options).run()
    assert api.asked == [503, 503]
    assert output.failure.code == 503


async def test_a_provider_that_cannot_be_reached_is_tried_again() -> None:
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key="k", max_retries=5)
    errors: list[Exception] = []
    server = asked(OpenAIResponsesModel("m", client), errors=errors)
    await server.run()
    assert server.commands().count(CALL) == 4
    assert isinstance(errors[0], openai.APIConnectionError)


@pytest.mark.parametrize(
    ("header", "value", "pause_ms"),
    [
        ("retry-after", "7", 7_000),
        ("retry-after", "2.5", 2_500),
        ("retry-after-ms", "1700.5", 1_700),
        ("retry-after", "date", 90_000),
        ("retry-after", "nonsense", 500),
    ],
)
async def test_a_retry_after_is_honoured_by_a_durable_pause(
    client_of: ClientOf, header: str, value: str, pause_ms: int
) -> None:
    if value == "date":
        value = format_datetime(datetime.now(UTC) + timedelta(milliseconds=pause_ms), usegmt=True)
    api = ModelApi(statuses=[429, 200], headers={429: {header: value}})
    server = asked(OpenAIResponsesModel("m", await client_of(api)), suspend_always=True)
    assert value_of(await server.run()) == TEXT
    (pause,) = pauses_ms(server)
    assert pause_ms - 2_500 < pause <= pause_ms + 1


@pytest.mark.parametrize(("status", "says", "asked_for"), [(503, "false", 1), (400, "true", 4)])
async def test_a_provider_that_says_itself_whether_to_try_again_is_obeyed(
    client_of: ClientOf, status: int, says: str, asked_for: int
) -> None:
    api = ModelApi(statuses=[status], headers={status: {"x-should-retry": says}})
    await asked(OpenAIResponsesModel("m", await client_of(api))).run()
    assert len(api.asked) == asked_for


# ---- ModelSettings(retry=...): the runner makes the tries


def by_runner(**settings: Any) -> ModelSettings:
    return ModelSettings(retry=ModelRetrySettings(**{"max_retries": 1, **settings}))


@pytest.mark.parametrize("kind", MODELS)
async def test_retries_that_the_sdk_was_told_to_make_are_not_multiplied(
    client_of: ClientOf, kind: Any
) -> None:
    api = ModelApi(statuses=[503])
    settings = by_runner(policy=retry_policies.http_status([503]))
    server = asked(kind("m", await client_of(api)), settings, suspend_always=True)
    output = await server.run()
    assert api.asked == [503, 503]
    assert "InternalServerError" in output.failure.message
    assert server.commands() == ["Input", CALL, "Sleep", CALL, "Output"]


async def test_no_retries_means_none(client_of: ClientOf) -> None:
    api = ModelApi(statuses=[503])
    await asked(OpenAIResponsesModel("m", await client_of(api)), by_runner(max_retries=0)).run()
    assert api.asked == [503]


async def test_a_request_that_must_not_be_repeated_is_not(client_of: ClientOf) -> None:
    """With programmatic tool calling, a lost answer may have had effects: the SDK forbids a retry."""
    api = ModelApi(statuses=[503])
    model = OpenAIResponsesModel("m", await client_of(api))

    @function_tool(allowed_callers=["programmatic"])
    async def pay(euros: int) -> str:
        """Pay."""
        return f"paid {euros}"

    await asked(model, tools=[pay, ProgrammaticToolCallingTool()]).run()
    assert api.asked == [503]


async def test_a_locked_conversation_is_waited_for_by_the_runner_with_durable_pauses(
    client_of: ClientOf,
) -> None:
    api = ModelApi(statuses=[400, 400, 200], error_code="conversation_locked")
    server = asked(OpenAIResponsesModel("m", await client_of(api)), suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CALL, "Sleep", CALL, "Sleep", CALL, "Output"]
    assert len(api.asked) == 3


async def test_settings_without_a_policy_leave_the_retries_to_ours(client_of: ClientOf) -> None:
    api = ModelApi(statuses=[503])
    await asked(OpenAIResponsesModel("m", await client_of(api)), by_runner()).run()
    assert len(api.asked) == 4


async def test_a_date_to_wait_for_that_has_passed_before_the_replay_is_waited_for_in_it_too(
    client_of: ClientOf,
) -> None:
    date = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    api = ModelApi([429, 200], {429: {"retry-after": format_datetime(date, usegmt=True)}})
    settings = by_runner(policy=retry_policies.retry_after())
    model = OpenAIResponsesModel("m", await client_of(api))
    server = asked(model, settings)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CALL, "Sleep", CALL, "Output"]

    await asyncio.sleep((date - datetime.now(UTC)).total_seconds())
    again = asked(model, settings)
    again.resume_from(server.journal[:-1])
    assert value_of(await again.run()) == TEXT


async def test_the_runners_random_pauses_are_the_same_on_every_replay(client_of: ClientOf) -> None:
    clock: list[float] = []

    def always(_context: Any) -> bool:
        clock.append(asyncio.get_running_loop().time())  # the clock moves by what is slept
        return True

    backoff = ModelRetryBackoffSettings(initial_delay=10, max_delay=1000, jitter=True)
    settings = by_runner(max_retries=2, policy=always, backoff=backoff)
    api = ModelApi([503, 503, 200])
    server = asked(OpenAIResponsesModel("m", await client_of(api)), settings, suspend_always=True)
    assert value_of(await server.run()) == TEXT
    first_pauses = {seconds for seconds in clock if seconds > 0}
    assert len(first_pauses) == 1
    assert 8.75 <= first_pauses.pop() <= 11.25


class Failing(ScriptedModel):
    """A model that raises."""

    def __init__(self, error: Exception) -> None:
        async def fail(_turn: int) -> None:
            raise error

        super().__init__(["never"], before_answer=fail)


async def test_an_error_without_a_status_is_not_taken_for_a_500_by_the_runners_policy() -> None:
    model = Failing(ModelBehaviorError("no JSON"))
    errors: list[Exception] = []
    await asked(model, by_runner(policy=retry_policies.http_status([500])), errors=errors).run()
    assert model.calls == [0]
    assert isinstance(errors[0], ModelBehaviorError)


# ---- time-outs


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_a_time_out_bounds_each_try_and_is_no_timer_in_the_journal(
    client_of: ClientOf, suspend_always: bool
) -> None:
    api = ModelApi(delay_ms=5_000)
    errors: list[Exception] = []
    model = OpenAIResponsesModel("m", await client_of(api))
    server = asked(model, ModelSettings(timeout=0.2), errors=errors, suspend_always=suspend_always)
    await server.run()
    assert server.commands() == ["Input", CALL, "Output"]
    assert isinstance(errors[-1], ModelTimeoutError)
    assert errors[-1].timeout_seconds == 0.2
    assert len(api.asked) == 1


# ---- errors of any provider


class ProviderBusy(Exception):
    """As the errors of a client that keeps its connection: nothing of it is JSON."""

    def __init__(self, status: int) -> None:
        super().__init__(f"busy: {status}")
        self.status_code = status
        self.response = object()
        self.headers = {"Retry-After": "3", "Set-Cookie": "s3cret"}
        self.retry_after = "3"


@pytest.mark.parametrize(("status", "calls"), [(429, 4), (529, 4), (403, 1)])
async def test_an_error_that_the_journal_cannot_rebuild_keeps_its_status(status: int, calls: int) -> None:
    model = Failing(ProviderBusy(status))
    errors: list[Exception] = []
    server = asked(model, errors=errors, suspend_always=True)
    output = await server.run()
    assert len(model.calls) == calls
    assert output.failure.code == status
    assert isinstance(errors[0], StepFailed)
    assert (errors[0].status, errors[0].headers) == (status, {"retry-after": "3"})
    assert pauses_ms(server) == [3_000] * (calls - 1)
    assert b"s3cret" not in b"".join(frame.payload for frame in server.journal)


async def test_the_runners_policies_read_the_status_of_such_an_error_too() -> None:
    model = Failing(ProviderBusy(429))
    await asked(model, by_runner(policy=retry_policies.http_status([429]))).run()
    assert len(model.calls) == 2


async def test_an_error_is_as_transient_as_the_one_that_it_was_raised_from() -> None:
    error = RuntimeError("the gateway did not answer")
    error.__cause__ = ConnectionResetError("reset by peer")
    model = Failing(error)
    await asked(model).run()
    assert len(model.calls) == 4


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("answer", [b"{}", b"[]", b'"hm"', b'{"choices": [], "output": [], "usage": 7}'])
async def test_a_malformed_answer_fails_as_it_does_without_perdure_and_is_not_asked_for_again(
    client_of: ClientOf, kind: Any, answer: bytes
) -> None:
    model = kind("m", await client_of(api := ModelApi(answer=answer)))
    try:
        plain = str((await Runner.run(Agent(name="A", model=model), "hello")).final_output)
    except Exception as error:
        plain = f"{type(error).__name__}: {error}"
    output = await asked(model, suspend_always=True).run()
    failed = output.WhichOneof("result") == "failure"
    durable = output.failure.message if failed else json.loads(output.value.content)
    assert plain in durable  # or in the StepFailed that stands for a pydantic error
    assert len(api.asked) == 2


async def test_an_answer_of_a_megabyte_is_one_entry(client_of: ClientOf) -> None:
    text = "ü" * 1_000_000
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    answer = json.dumps({**COMPLETION, "choices": [choice]}).encode()
    model = OpenAIChatCompletionsModel("m", await client_of(ModelApi(answer=answer)))
    server = asked(model, suspend_always=True)
    assert value_of(await server.run()) == text
    assert server.commands() == ["Input", CALL, "Output"]


# ---- models by name


async def test_a_model_by_name_comes_from_whichever_provider(client_of: ClientOf) -> None:
    api = ModelApi(statuses=[503, 200, 503, 200, 503, 200, 503, 200])
    client = await client_of(api)
    multi = MultiProvider(openai_client=client)
    for name, provider in [
        ("m", OpenAIProvider(openai_client=client)),
        ("m", OpenAIProvider(openai_client=client, use_responses=False)),
        ("openai/m", multi),
        (None, multi),
    ]:
        server = asked(name, run_config=RunConfig(model_provider=provider), suspend_always=True)
        assert value_of(await server.run()) == TEXT
        assert server.commands() == ["Input", CALL, "Sleep", CALL, "Output"]
    assert len(api.asked) == 8
    assert [body["model"] for body in api.bodies[:6]] == ["m"] * 6


async def test_a_model_by_name_of_the_process_default_client(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ModelApi(statuses=[503, 200])
    client = await client_of(api)
    monkeypatch.setattr("agents.models._openai_shared._default_openai_client", client)
    server = asked("gpt-x", suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert api.asked == [503, 200], "the client's own five retries are off"


# ---- over a websocket


@asynccontextmanager
async def websocket_model(*plan: str) -> AsyncIterator[tuple[RunConfig, list[str]]]:
    """A provider of models over a websocket that is served by plan, and the frames that it was sent."""
    frames: list[str] = []

    async def handle(connection: ServerConnection) -> None:
        async for frame in connection:
            frames.append(json.loads(frame)["type"])
            if plan[min(len(frames), len(plan)) - 1] == "drop":
                connection.transport.abort()
                return
            response = {**RESPONSE, "id": "resp_1", "created_at": 0.0}
            event = {"type": "response.completed", "sequence_number": 1, "response": response}
            await connection.send(json.dumps(event))

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        base_url = f"http://127.0.0.1:{port}/v1"
        provider = OpenAIProvider(api_key="k", base_url=base_url, use_responses_websocket=True)
        yield RunConfig(model_provider=provider), frames


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_a_model_over_a_websocket_is_one_step_too(suspend_always: bool) -> None:
    async with websocket_model("answer") as (run_config, frames):
        server = asked("m", run_config=run_config, suspend_always=suspend_always)
        assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CALL, "Output"]
    assert frames == ["response.create"]


async def test_a_websocket_that_drops_is_asked_again_once_per_journaled_try() -> None:
    async with websocket_model("drop", "answer") as (run_config, frames):
        server = asked("m", run_config=run_config)
        assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", CALL, "Sleep", CALL, "Output"]
    assert frames == ["response.create"] * 2
