"""What a step of Perdure's brought: the envelope of `perdure.durable` opened, and what is in it told apart.

The journal is the handler's and may hold anything: what is not ours is `Plain`. A value that was cut is read
as far as it goes, so the parts of an answer that come late (its usage) may be missing then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from perdure.inspection.records import Step

_BESIDE = {"about", "types", "changes", "again"}  # what stands beside an outcome


@dataclass(frozen=True, slots=True)
class ToolCall:
    """That a model asked for. arguments: JSON, as the model wrote it."""

    name: str
    arguments: str
    call_id: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model's answer. usd: None where no price was known. price_list: where that is from, if the user gave
    none. items: of the answer, as the API sent them.
    """

    model: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usd: float | None
    price_list: str | None
    messages: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...]
    reasoning: tuple[str, ...]
    others: tuple[str, ...]
    """The types of what else the answer has: `web_search_call`, say."""
    response_id: str | None
    is_streamed: bool
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A background response that the provider works on."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """output: JSON. is_error: the SDK made it of an error, for the model to read."""

    output: Any
    is_error: bool


@dataclass(frozen=True, slots=True)
class FailedTry:
    """error: with the name of its class, where that is known. retry_in_ms: None: it was the last try."""

    error: str
    retry_in_ms: int | None


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """announcement: see `perdure.openai.approvals.Announcement`."""

    awakeable_id: str
    tool: str
    arguments: Any
    announcement: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """Leave to start an effect once. key: its idempotency key."""

    key: str


@dataclass(frozen=True, slots=True)
class Plain:
    """Any other value. text: to be read; json: the same parsed, or None where it is no object or list."""

    text: str
    json: Any = None


Body = ModelCall | Pending | ToolResult | FailedTry | ApprovalAsked | Claim | Plain


@dataclass(frozen=True, slots=True)
class Content:
    """agents: the names of those in whose run it happened, from the outermost to the innermost; call_id: the
    tool call that it belongs to. changed: what a tool changed in the run's context, as JSON pointers.
    begun_before: an earlier attempt had begun it and left no result, so it was done again.
    """

    body: Body
    agents: tuple[str, ...] = ()
    call_id: str | None = None
    changed: tuple[str, ...] = ()
    begun_before: bool = False

    @property
    def agent(self) -> str | None:
        return self.agents[-1] if self.agents else None

    @property
    def failed(self) -> bool:
        return isinstance(self.body, FailedTry) or (isinstance(self.body, ToolResult) and self.body.is_error)


def read(step: Step) -> Content:
    """Of a step's value; of one without, an empty text."""
    value = step.value or b""
    envelope = _parsed(value, partial=step.is_cut)
    if step.kind != "run" or not isinstance(envelope, dict):
        return Content(_plain_bytes(value, envelope))
    about = envelope.get("about")
    about = about if isinstance(about, dict) else {}
    match envelope:
        case {"ok": result, **rest} if rest.keys() <= _BESIDE:
            body = _body(result, about)
        case {"error": {"type": str(kind), "message": str(message)} as error, **rest} if (
            rest.keys() <= _BESIDE
        ):
            name = kind.rpartition(":")[2]
            body = FailedTry(f"{name}: {message}", _whole_number(error.get("retry_in_ms")))
        case {"misuse": str(message), **rest} if rest.keys() <= _BESIDE:
            body = FailedTry(message, None)
        case _:
            return Content(_plain_bytes(value, envelope))
    agents, call_id = about.get("agent"), about.get("call_id")
    return Content(
        body,
        agents=tuple(filter(_is_text, agents)) if isinstance(agents, list) else (),
        call_id=call_id if isinstance(call_id, str) else None,
        changed=_changed(envelope.get("changes")),
        begun_before=bool(envelope.get("again")),
    )


def _body(result: Any, about: Mapping[str, Any]) -> Body:
    match result:
        case {"version": int(), "answer": answer, "events": str(), **rest} if not rest:
            return _model_call(answer if isinstance(answer, dict) else {}, about, is_streamed=True)
        case {"version": int(), "output": list(), **rest} if rest.keys() <= _OF_ANSWER:
            return _model_call(result, about, is_streamed=False)
        case {"version": int(), "answer": {"output": list()} as answer, **rest} if not rest:  # cut
            return _model_call(answer, about, is_streamed=True)
        case {"pending": str(response_id), **rest} if not rest:
            return Pending(response_id)
        case {"failed": str(error), "delay_ms": int(delay_ms), **rest} if not rest:
            return FailedTry(error, delay_ms)
        case {"again_in_ms": int(delay_ms), "error": str(error), **rest} if not rest:
            return FailedTry(error, delay_ms)
        case {"output": output, **rest} if rest.keys() <= {"types", "as_annotated", "is_text", "is_error"}:
            return ToolResult(output, "is_error" in rest)
        case {"claim": str(), "key": str(key), **rest} if not rest:
            return Claim(key)
        case {"awakeable_id": str(awakeable_id), "tool": str(tool), "arguments": arguments, "asked_at": _}:
            return ApprovalAsked(awakeable_id, tool, arguments, result)
        case _:
            return _plain(result)


_OF_ANSWER = {"usage", "response_id", "request_id", "raw_usage"}


def _model_call(answer: Mapping[str, Any], about: Mapping[str, Any], *, is_streamed: bool) -> ModelCall:
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) and "output_tokens" in usage else _usage_beside(about)
    model, response_id = about.get("model"), answer.get("response_id")
    usd, price_list = about.get("usd"), about.get("price_list")
    items = [item for item in answer.get("output") or () if isinstance(item, dict)]
    messages: list[str] = []
    calls: list[ToolCall] = []
    reasoning: list[str] = []
    others: list[str] = []
    for item in items:
        match _type_of(item):
            case "function_call":
                calls.append(ToolCall(*(_text(item.get(name)) for name in ("name", "arguments", "call_id"))))
            case "message":
                messages.append(" ".join(_texts(_list(item.get("content")))))
            case "reasoning":
                reasoning.extend(_texts([*_list(item.get("summary")), *_list(item.get("content"))]))
            case str(kind):
                others.append(kind)
    return ModelCall(
        model=model if isinstance(model, str) else None,
        input_tokens=_number(usage, "input_tokens"),
        output_tokens=_number(usage, "output_tokens"),
        cached_tokens=_number(usage.get("input_tokens_details"), "cached_tokens"),
        reasoning_tokens=_number(usage.get("output_tokens_details"), "reasoning_tokens"),
        usd=float(usd) if isinstance(usd, int | float) else None,
        price_list=price_list if isinstance(price_list, str) else None,
        messages=tuple(messages),
        tool_calls=tuple(calls),
        reasoning=tuple(reasoning),
        others=tuple(others),
        response_id=response_id if isinstance(response_id, str) else None,
        is_streamed=is_streamed,
        items=items,
    )


def _type_of(item: Mapping[str, Any]) -> object:
    """Of an item of an answer; it stands at the end, so an item that was cut has none."""
    likely = {"arguments": "function_call", "summary": "reasoning", "content": "message"}
    return item.get("type") or next((kind for name, kind in likely.items() if name in item), None)


def _usage_beside(about: Mapping[str, Any]) -> dict[str, Any]:
    """Told before the answer, for those who read its beginning alone."""
    match about.get("tokens"):
        case [given, made]:
            return {"input_tokens": given, "output_tokens": made}
        case _:
            return {}


def _texts(parts: Sequence[Any]) -> list[str]:
    return [
        text
        for part in parts
        if isinstance(part, dict) and isinstance(text := part.get("text", part.get("refusal")), str)
    ]


def _changed(changes: object) -> tuple[str, ...]:
    if not isinstance(changes, dict):
        return ()
    return tuple(filter(_is_text, [*(changes.get("set") or ()), *(changes.get("delete") or ())]))


def _parsed(value: bytes, *, partial: bool) -> Any:
    """None for what is not JSON."""
    try:
        return from_json(value, allow_partial="trailing-strings" if partial else False)
    except ValueError:
        return None


def _plain_bytes(value: bytes, parsed: object) -> Plain:
    return Plain(value.decode(errors="replace"), parsed if isinstance(parsed, dict | list) else None)


def _plain(value: object) -> Plain:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Plain(text, value if isinstance(value, dict | list) else None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(holder: object, name: str) -> int:
    return (_whole_number(holder.get(name)) or 0) if isinstance(holder, dict) else 0


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) else None
