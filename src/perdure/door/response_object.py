"""The `response` object, and the items and parts in it."""

from __future__ import annotations

from typing import Any

from perdure.door.answer import Ended, Failed, Part
from perdure.door.port import Invocation

PREFIX = "resp_"


def response_id(invocation_id: str) -> str:
    """Of the invocation, and nothing else: whoever knows one knows the other."""
    return PREFIX + invocation_id


def response(invocation: Invocation, model: str, ended: Ended | None) -> dict[str, Any]:
    """As it is now. What an agent decides for itself (temperature, tools) is not told."""
    failed = ended.failed if ended else None
    return {
        "id": response_id(invocation.id),
        "object": "response",
        "created_at": invocation.created_at_ms // 1000,
        "status": _status(invocation, ended),
        "error": _error(failed) if failed and not failed.cancelled else None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [message(invocation, ended.part, "completed")] if ended and ended.part else [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": ended.usage if ended else None,
        "conversation": {"id": invocation.target.key} if invocation.target.key else None,
    }


def _status(invocation: Invocation, ended: Ended | None) -> str:
    if ended is None:
        return "in_progress" if invocation.started else "queued"
    if ended.failed is None:
        return "completed"
    return "cancelled" if ended.failed.cancelled else "failed"


def _error(failed: Failed) -> dict[str, Any]:
    return {"code": "server_error", "message": failed.message}


def message(invocation: Invocation, part: Part, status: str) -> dict[str, Any]:
    """An output item; without content while it is in progress."""
    return {
        "id": message_id(invocation, part),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [] if status == "in_progress" else [output_text(part.text)],
    }


def message_id(invocation: Invocation, part: Part) -> str:
    """The same whenever it is asked for."""
    return f"msg_{invocation.id}_{part.number}"


def output_text(text: str) -> dict[str, Any]:
    """A content part."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
