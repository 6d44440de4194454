"""What a step brought, for reading: the envelope of `perdure.durable` opened, a model's answer in one line.

The journal is the handler's and may hold anything: what is not ours is shown as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_BESIDE = {
    "about",
    "types",
    "changes",
    "again",
}  # what stands beside an outcome, and does not change how it reads

_ABOUT = '{"about":'


def readable(preview: str) -> tuple[str, bool]:
    """(text, whether it is a failed try) of the preview of a run's value."""
    try:
        envelope = json.loads(preview)
    except ValueError:  # not JSON, or cut
        return _without_head(preview), False
    match envelope:
        case {"ok": value, **rest} if rest.keys() <= _BESIDE:
            text, failed = _value(value)
        case {"error": {"type": str(kind), "message": str(message)} as error, **rest} if (
            rest.keys() <= _BESIDE
        ):
            name = kind.rpartition(":")[2]
            text, failed = f"{name}: {message}{_tried_again(error.get('retry_in_ms'))}", True
        case {"misuse": str(message), **rest} if not rest:
            return message, True
        case _:
            return preview, False
    return f"{text}{_notes(envelope)}", failed


def _without_head(cut: str) -> str:
    """A cut preview from where the value begins."""
    if cut.startswith(_ABOUT):
        try:
            _, end = json.JSONDecoder().raw_decode(cut, len(_ABOUT))
        except ValueError:
            return cut
        cut = "{" + cut[end + 1 :]
    return cut.removeprefix('{"ok":')


def _value(value: object) -> tuple[str, bool]:
    match value:
        case {"version": int(), "output": list(items), "usage": Mapping() as usage}:
            said = "; ".join(_item(item) for item in items) or "nothing"
            return f"{said}{_tokens(usage)}", False
        case {"pending": str(response_id), **rest} if not rest:
            return f"{response_id}, not answered yet", False
        case {"failed": str(error), "delay_ms": int(delay_ms), **rest} if not rest:
            return f"{error}{_tried_again(delay_ms)}", True
        case {"again_in_ms": int(delay_ms), "error": str(error), **rest} if not rest:
            return f"{error}{_tried_again(delay_ms)}", True
        case {"output": output, **rest} if rest.keys() <= {"types", "as_annotated", "is_text", "is_error"}:
            return _plain(output), "is_error" in rest
        case {"claim": str(), "key": str(key), **rest} if not rest:
            return key, False
        case {"awakeable_id": str(awakeable_id), "tool": str(tool), "arguments": arguments, "asked_at": _}:
            return f"{awakeable_id} asks for {tool}({_plain(arguments)})", False
        case _:
            return _plain(value), False


def _tried_again(delay_ms: int | None) -> str:
    return "" if delay_ms is None else f", tried again after {delay_ms} ms"


def _notes(envelope: Mapping[str, Any]) -> str:
    """What the entry says beside its outcome."""
    changes = envelope.get("changes") or {}
    changed = [*changes.get("set", ()), *changes.get("delete", ())]
    notes = [f"changed {', '.join(pointer[1:] or 'the context' for pointer in changed)}"] if changed else []
    if envelope.get("again"):
        notes.append("begun before")
    return f"  ({'; '.join(notes)})" if notes else ""


def _item(item: object) -> str:
    match item:
        case {"type": "function_call", "name": str(name), "arguments": str(arguments)}:
            return f"{name}({arguments})"
        case {"type": "message", "content": list(parts)}:
            return " ".join(_texts(parts))
        case {"type": str(kind)}:
            return kind
        case _:
            return _plain(item)


def _texts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        match part:
            case {"text": str(text)} | {"refusal": str(text)}:
                yield text


def _tokens(usage: Mapping[str, object]) -> str:
    match usage:
        case {"input_tokens": int(given), "output_tokens": int(made)} if given or made:
            return f"  ({given} + {made} tokens)"
        case _:
            return ""


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
