"""What a streamed run publishes into the stream of its invocation, for readers outside.

The model's words are published by the step that hears them, while the model speaks. All else follows from
the journal, and is published by the run as its items appear, whether the handler looks at them or not.

A run inside of a streamed run (an agent as a tool with `on_stream`) publishes too; its events carry `depth`,
1 and more, so that a reader can tell them from those of the run that the handler asked for.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agents import (
    AgentUpdatedStreamEvent,
    HandoffOutputItem,
    ItemHelpers,
    MessageOutputItem,
    RunItem,
    RunItemStreamEvent,
    ToolCallItem,
    ToolCallOutputItem,
    Usage,
)
from pydantic_core import to_jsonable_python

from perdure.durable.stream import publish
from perdure.openai.options import current_options

Event = tuple[str, dict[str, Any]]

OUTPUT_ITEM = "output"
_PIECE = 32 * 1024  # characters; no more than half of what an event may hold, whatever they are


@dataclass
class StreamedRun:
    """depth: in how many other streamed runs it is."""

    depth: int
    stream: str
    _tools: dict[str, str] = field(default_factory=dict)  # names, by the id of the call
    _last_text: str | None = None

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Publish an event of this run, on the loop or in a step of it."""
        publish_cut(kind, data | ({"depth": self.depth} if self.depth else {}), self.stream)

    def tell(self, event: object) -> None:
        """Publish what an event of the SDK says that readers outside want to know."""
        match event:
            case AgentUpdatedStreamEvent(new_agent=agent):
                self.publish("agent", {"name": agent.name})
            case RunItemStreamEvent(item=item):
                for kind, data in self._of_item(item):
                    self.publish(kind, data)

    def tell_output(self, output: Any, usage: Usage) -> None:
        """Publish the final output, and what the run used for it. Where no model said it in these words (a
        tool did, or an error handler), it is published as text too: text that is read to the end is the
        output.
        """
        if isinstance(output, str) and output != self._last_text:
            for start in range(0, len(output) or 1, _PIECE):
                self.publish("text", {"delta": output[start : start + _PIECE], "item": OUTPUT_ITEM})
        if not self.depth:
            self.publish("output", {"value": jsonable(output), "usage": _told(usage)})

    def _of_item(self, item: RunItem) -> Iterator[Event]:
        agent = {"agent": item.agent.name}
        match item:
            case MessageOutputItem():
                self._last_text = ItemHelpers.text_message_output(item)
                yield "message", agent | {"text": self._last_text}
            case ToolCallItem():
                call = _facts(item.raw_item)
                call_id, name = call.get("call_id") or call.get("id"), call.get("name") or call.get("type")
                self._tools[str(call_id)] = str(name)
                self._last_text = None
                yield (
                    "tool_call",
                    agent | {"name": name, "call_id": call_id, "arguments": call.get("arguments")},
                )
            case ToolCallOutputItem():
                call_id = _facts(item.raw_item).get("call_id")
                name = self._tools.get(str(call_id))
                yield (
                    "tool_result",
                    agent | {"name": name, "call_id": call_id, "output": jsonable(item.output)},
                )
            case HandoffOutputItem():
                yield "handoff", {"from": item.source_agent.name, "to": item.target_agent.name}


def publish_cut(kind: str, data: dict[str, Any], stream: str) -> None:
    """Publish an event. Values too long for one are cut, and the event says so: a run must not fail for what
    its readers are shown.
    """
    try:
        publish(kind, data, stream=stream)
    except ValueError:
        publish(kind, _cut(data), stream=stream)


_run: contextvars.ContextVar[StreamedRun | None] = contextvars.ContextVar(
    "perdure_streamed_run", default=None
)


def current_run() -> StreamedRun | None:
    """The innermost streamed run that the calling code, or the step that it is in, belongs to."""
    return _run.get()


@contextmanager
def entered() -> Iterator[StreamedRun]:
    """A new streamed run, inside of the current one if there is one. Tasks made in the block belong to it."""
    outer = _run.get()
    depth = 0 if outer is None else outer.depth + 1
    run = StreamedRun(depth, current_options().stream)
    token = _run.set(run)
    try:
        yield run
    finally:
        _run.reset(token)


def jsonable(value: Any) -> Any:
    """A value as JSON for a reader, who need not be able to make the value of it again."""
    return to_jsonable_python(value, fallback=str, inf_nan_mode="null")


def _told(usage: Usage) -> dict[str, Any]:
    """In the words of the Responses API, and how many requests to a model it is for."""
    given, made = usage.input_tokens_details, usage.output_tokens_details
    return {
        "requests": usage.requests,
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": given.cached_tokens or 0,
            "cache_write_tokens": getattr(given, "cache_write_tokens", None) or 0,  # not in every client
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": made.reasoning_tokens or 0},
        "total_tokens": usage.total_tokens,
    }


def _cut(data: dict[str, Any]) -> dict[str, Any]:
    def cut(value: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return value if len(text) <= _PIECE else text[:_PIECE]

    return {name: cut(value) for name, value in data.items()} | {"cut": True}


def _facts(raw_item: Any) -> dict[str, Any]:
    if isinstance(raw_item, dict):
        return raw_item
    dump: Callable[..., dict[str, Any]] | None = getattr(raw_item, "model_dump", None)
    return dump(mode="json", exclude_unset=True, warnings=False) if dump is not None else {}
