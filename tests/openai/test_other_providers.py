"""LiteLLM and any-llm: their own retries are off, and their errors survive the journal.

Neither is a dependency of Perdure. With one of them installed beside it (`pip install
"openai-agents[litellm,any-llm]"`) its tests run; without, they are skipped.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import restate
from agents import Agent, Model, ModelSettings, set_tracing_disabled
from journal_server import JournalServer, value_of
from model_api import TEXT, ModelApi, served

from perdure import DurableRunner
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio

PROVIDERS = {
    "litellm": ("agents.extensions.models.litellm_model", "LitellmModel", "openai/m"),
    "any_llm": ("agents.extensions.models.any_llm_model", "AnyLLMModel", "openai/m"),
}


@pytest.fixture(scope="module", autouse=True)
async def one_loop() -> AsyncIterator[None]:
    """Both keep clients for the life of the process, so their tests share an event loop."""
    yield  # noqa: PT022


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed: its tests need it")
    set_tracing_disabled(True)
    return str(request.param)


def model_of(provider: str, url: str, **options: Any) -> Model:
    module, name, model = PROVIDERS[provider]
    cls = getattr(importlib.import_module(module), name)
    made: Model = cls(model, base_url=url, api_key="k", **options)
    return made


def asked(
    model: Model | str, errors: list[Exception], settings: ModelSettings | None = None, **options: Any
) -> JournalServer:
    service = restate.Service("Agent")
    agent = Agent(name="A", model=model, model_settings=settings or ModelSettings())

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        try:
            return str((await DurableRunner.run(agent, message)).final_output)
        except Exception as error:
            errors.append(error)
            raise

    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_a_busy_model_is_asked_once_per_journaled_try(provider: str, suspend_always: bool) -> None:
    api = ModelApi([503, 429, 200], {429: {"retry-after": "7"}})
    async with served(api) as url:
        server = asked(model_of(provider, url), [], suspend_always=suspend_always)
        assert value_of(await server.run()) == TEXT
    assert api.asked == [503, 429, 200]
    assert server.commands().count("Run call LLM") == 3


@pytest.mark.parametrize(("status", "requests"), [(400, 1), (401, 1), (404, 1), (408, 4), (429, 4), (503, 4)])
async def test_errors_keep_their_status(provider: str, status: int, requests: int) -> None:
    api, errors = ModelApi([status], {429: {"retry-after-ms": "40"}}), []
    async with served(api) as url:
        output = await asked(model_of(provider, url), errors, suspend_always=True).run()
    assert len(api.asked) == requests
    assert output.failure.code == status
    assert {getattr(error, "status_code", None) for error in errors} == {status}
    assert all(isinstance(error, openai.APIError) for error in errors)
    assert len({str(error) for error in errors}) == 1, "live and replayed errors read alike"


async def test_a_retry_after_reaches_the_durable_pause(provider: str) -> None:
    api = ModelApi([429, 200], {429: {"retry-after": "7"}})
    async with served(api) as url:
        server = asked(model_of(provider, url), [])
        assert value_of(await server.run()) == TEXT
    failed = json.loads(server.entries(MessageType.RUN_COMPLETION)[0].value.content)
    assert failed["error"]["retry_in_ms"] == 7_000


async def test_litellm_told_to_retry_by_itself_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    litellm = pytest.importorskip("litellm", reason="litellm is not installed: its tests need it")
    set_tracing_disabled(True)
    monkeypatch.setattr(litellm, "num_retries", 3)
    settings = ModelSettings(extra_args={"num_retries": 3, "max_retries": 3})
    api, errors = ModelApi([503]), []
    async with served(api) as url:
        await asked(model_of("litellm", url), errors, settings=settings).run()
    assert len(api.asked) == 4
    assert isinstance(errors[0], litellm.ServiceUnavailableError | litellm.InternalServerError)


@pytest.mark.parametrize("api_name", ["responses", "chat_completions"])
@pytest.mark.parametrize("unified", ["0", "1"])
async def test_any_llm_with_either_api_and_its_own_errors(
    api_name: str, unified: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("any_llm", reason="any_llm is not installed: its tests need it")
    set_tracing_disabled(True)
    monkeypatch.setenv("ANY_LLM_UNIFIED_EXCEPTIONS", unified)
    api, errors = ModelApi([429], {429: {"retry-after": "7"}}), []
    async with served(api) as url:
        server = asked(model_of("any_llm", url, api=api_name), errors)
        output = await server.run()
    assert len(api.asked) == 4
    assert output.failure.code == 429
    failed = json.loads(server.entries(MessageType.RUN_COMPLETION)[0].value.content)
    assert failed["error"]["retry_in_ms"] == 7_000


@pytest.mark.parametrize("prefix", ["litellm/openai/m", "any-llm/openai/m"])
async def test_a_prefix_in_the_models_name_is_enough(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = prefix.partition("/")[0].replace("-", "_")
    pytest.importorskip(package, reason=f"{package} is not installed: its tests need it")
    set_tracing_disabled(True)
    api = ModelApi([503, 200])
    async with served(api) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        server = asked(prefix, [], suspend_always=True)
        assert value_of(await server.run()) == TEXT
    assert api.asked == [503, 200]
