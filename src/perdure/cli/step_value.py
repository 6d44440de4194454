"""What a step brought, for reading: the envelope of `perdure.durable` opened, a model's answer in one line.

The journal is the handler's and may hold anything: what is not ours is shown as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_BESIDE = {"types", "changes", "again"}  # what stands beside an outcome, and does not change how it reads


def readable(preview: str) -> tuple[str, bool]:
    """(text, whether it is a failed try) of the preview of a run's value."""
    try:
        envelope = json.loads(preview)
    except ValueError:  # not JSON, or cut
        return preview.removeprefix('{"ok":'), False
    match envelope:
        case {"ok": {"output": output, "is_error": True}}:
            return _plain(output), True
        case {"ok": value, **rest} if rest.keys() <= _BESIDE:
            return _value(value), False
        case {"error": {"type": str(kind), "message": str(message)} as error, **rest} if (
            rest.keys() <= _BESIDE
        ):
            name = kind.rpartition(":")[2]
            retry = f", tried again after {error['retry_in_ms']} ms" if "retry_in_ms" in error else ""
            return f"{name}: {message}{retry}", True
        case _:
            return preview, False


def _value(value: object) -> str:
    match value:
        case {"version": int(), "output": list(items), "usage": Mapping() as usage}:
            said = "; ".join(_item(item) for item in items) or "nothing"
            return f"{said}{_tokens(usage)}"
        case {"output": output, **rest} if not rest:
            return _plain(output)
        case _:
            return _plain(value)


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
