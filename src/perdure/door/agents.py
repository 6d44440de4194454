"""Which handlers are agents, and by which `model` they are asked for.

An agent is a handler that takes a message: its input schema, held against a text and against a list of input
items, says which of the two it takes. Workflows are none: each runs once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from perdure.door.port import Handler
from perdure.errors import OpenAIRequestError
from perdure.protocol.discovery import JsonSchema
from perdure.protocol.input_schema import mismatch

_TEXT = "Hello"
_ITEMS = [{"role": "user", "content": "Hello"}]
_JSON = frozenset({"application/json", "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Agent:
    """A handler that takes a message. `model`: its name here; `keyed`: its object keeps the conversation."""

    model: str
    service: str
    handler: str
    keyed: bool
    takes_text: bool
    takes_items: bool
    answers_text: bool
    created_at_ms: int


def agents(handlers: Iterable[Handler]) -> list[Agent]:
    """In alphabetical order, named `Service`, or `Service/handler` where a service has several."""
    found = [handler for handler in handlers if _takes_text(handler) or _takes_items(handler)]
    several = {service for service in (h.service for h in found) if _count(found, service) > 1}
    named = [_agent(h, f"{h.service}/{h.name}" if h.service in several else h.service) for h in found]
    return sorted(named, key=lambda agent: agent.model)


def named(model: str, known: Sequence[Agent]) -> Agent:
    """Raises OpenAIRequestError(404) that lists what there is."""
    for agent in known:
        if model in (agent.model, f"{agent.service}/{agent.handler}"):
            return agent
    there_is = ", ".join(agent.model for agent in known) or "none; a handler takes a text or a list"
    raise OpenAIRequestError(
        404, f"there is no agent '{model}'; there is: {there_is}", code="model_not_found", param="model"
    )


def of_target(service: str, handler: str, known: Sequence[Agent]) -> str:
    """The model of an invocation; its target where that is no agent (any more)."""
    target = f"{service}/{handler}"
    return next((agent.model for agent in known if f"{agent.service}/{agent.handler}" == target), target)


def _count(handlers: Iterable[Handler], service: str) -> int:
    return sum(handler.service == service for handler in handlers)


def _agent(handler: Handler, model: str) -> Agent:
    return Agent(
        model=model,
        service=handler.service,
        handler=handler.name,
        keyed=handler.kind == "VIRTUAL_OBJECT",
        takes_text=_takes_text(handler),
        takes_items=_takes_items(handler),
        answers_text=handler.output_schema is None or _allows(handler.output_schema, _TEXT),
        created_at_ms=handler.created_at_ms,
    )


def _takes_text(handler: Handler) -> bool:
    return _takes(handler, _TEXT)


def _takes_items(handler: Handler) -> bool:
    return _takes(handler, _ITEMS)


def _takes(handler: Handler, value: Any) -> bool:
    if handler.kind == "WORKFLOW" or handler.input_content_type not in _JSON:
        return False
    return handler.input_schema is None or _allows(handler.input_schema, value)


def _allows(schema: JsonSchema, value: Any) -> bool:
    return mismatch(schema, value) is None
