"""What a step brought, in one line of text."""

from __future__ import annotations

import json

from perdure.inspection.money import cost
from perdure.inspection.step_content import (
    ApprovalAsked,
    Body,
    Claim,
    Content,
    FailedTry,
    ModelCall,
    Pending,
    Plain,
    ToolResult,
)


def line_of(content: Content) -> str:
    """Not cut, and not rid of line breaks: that is for those who know their width."""
    return f"{_text(content.body)}{_notes(content)}"


def _text(body: Body) -> str:
    match body:
        case ModelCall() as call:
            return _model_call(call)
        case Pending(response_id):
            return f"{response_id}, not answered yet"
        case FailedTry(error, retry_in_ms):
            return error if retry_in_ms is None else f"{error}, tried again after {retry_in_ms} ms"
        case ToolResult(output):
            return _plain(output)
        case Claim(key):
            return key
        case ApprovalAsked(awakeable_id, tool, arguments):
            return f"{awakeable_id} asks for {tool}({_plain(arguments)})"
        case Plain(text):
            return text


def _model_call(call: ModelCall) -> str:
    calls = [f"{each.name}({each.arguments})" for each in call.tool_calls]
    reasoned = ["reasoning"] if call.reasoning else []
    said = "; ".join([*reasoned, *call.messages, *calls, *call.others]) or "nothing"
    if not (call.input_tokens or call.output_tokens):
        return said
    paid = "" if call.usd is None else f", {cost(call.usd, call.price_list)}"
    return f"{said}  ({call.input_tokens} + {call.output_tokens} tokens{paid})"


def _notes(content: Content) -> str:
    """What the entry says beside its outcome."""
    changed = [pointer[1:] or "the context" for pointer in content.changed]
    notes = [f"changed {', '.join(changed)}"] if changed else []
    if content.begun_before:
        notes.append("begun before")
    return f"  ({'; '.join(notes)})" if notes else ""


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
