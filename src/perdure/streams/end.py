"""The last event of every stream of an invocation: how it ended. It is never stored: who reads derives it
from the invocation's result."""

from __future__ import annotations

import base64
import json

from perdure.streams.events import END, RUN, StreamEvent


def succeeded(index: int, output: bytes, at_ms: int) -> StreamEvent:
    """`{"status": "succeeded", "output": ...}`: the value where the output is JSON, null where it is empty,
    and else its text. `"encoding": "base64"` stands beside an output that is no text either."""
    told: dict[str, object] = {"status": "succeeded"}
    try:
        told["output"] = json.loads(output, parse_constant=_refuse) if output else None
    except (ValueError, RecursionError):
        try:
            told["output"] = output.decode()
        except UnicodeDecodeError:
            told |= {"output": base64.b64encode(output).decode(), "encoding": "base64"}
    return _end(index, told, at_ms)


def failed(index: int, code: int, message: str, at_ms: int) -> StreamEvent:
    """`{"status": "failed", "code": ..., "message": ...}`."""
    return _end(index, {"status": "failed", "code": code, "message": message}, at_ms)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _end(index: int, told: dict[str, object], at_ms: int) -> StreamEvent:
    payload = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return StreamEvent(index, END, payload, RUN, at_ms)
