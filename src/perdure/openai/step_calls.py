"""Model calls and tool calls as telemetry knows them: the span of their step by OpenTelemetry's names for
generative AI, and counters for Prometheus. Called in the step, so once a call is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents import ModelResponse
from opentelemetry import trace
from prometheus_client import Counter

from perdure.durable.about import facts
from perdure.openai import turns
from perdure.openai.stream_events import StreamedAnswer
from perdure.telemetry import names

A = TypeVar("A")

_BY = ("agent", "model")
_CALLS = Counter("perdure_model_calls", "Model calls that were answered.", _BY)
_TOKENS = Counter("perdure_model_tokens", "Tokens of answered model calls.", (*_BY, "type"))

_AGENTS_MAX = 200
_agents: set[str] = set()  # a program may make up names as it runs, and each would be a time series for ever


async def of_model(ask: Callable[[], Awaitable[A]]) -> A:
    """Await `ask()`, which asks a model or fetches what it has answered."""
    span = trace.get_current_span()
    path, model = turns.path(), facts().settled.get("model")
    agent, model = path[-1] if path else "", model if isinstance(model, str) else ""
    if span.is_recording():
        span.update_name(f"chat {model}".rstrip())
        span.set_attributes({names.OPERATION: "chat", names.PROVIDER: _provider(model)})
        if model:
            span.set_attribute(names.REQUEST_MODEL, model)
        if agent:
            span.set_attribute(names.AGENT_NAME, agent)
    answer = await ask()
    response = answer.answer if isinstance(answer, StreamedAnswer) else answer
    if isinstance(response, ModelResponse):
        _answered(response, agent, model, span)
    return answer


def _answered(answer: ModelResponse, agent: str, model: str, span: trace.Span) -> None:
    usage = answer.usage
    agent = agent if len(_agents) < _AGENTS_MAX or agent in _agents else "other"
    _agents.add(agent)
    _CALLS.labels(agent, model).inc()
    _TOKENS.labels(agent, model, "input").inc(usage.input_tokens)
    _TOKENS.labels(agent, model, "output").inc(usage.output_tokens)
    if answer.response_id is not None:
        span.set_attribute(names.RESPONSE_ID, answer.response_id)
    span.set_attribute(names.INPUT_TOKENS, usage.input_tokens)
    span.set_attribute(names.OUTPUT_TOKENS, usage.output_tokens)
    span.set_attribute(names.CACHED_TOKENS, usage.input_tokens_details.cached_tokens or 0)


def tool_called(tool: str, call_id: str) -> None:
    """The step calls a tool now."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    span.update_name(f"execute_tool {tool}")
    span.set_attributes(
        {
            names.OPERATION: "execute_tool",
            names.TOOL_NAME: tool,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: call_id,
        }
    )
    if path := turns.path():
        span.set_attribute(names.AGENT_NAME, path[-1])


def _provider(model: str) -> str:
    """LiteLLM and routers name it before a slash; all else speaks OpenAI's API."""
    return model.partition("/")[0] if "/" in model else "openai"
