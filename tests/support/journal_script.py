"""A journal written by hand: the steps of one invocation, at given times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from perdure.inspection.records import Invocation, Step

ID = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
BEGAN = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def at(ms: int) -> datetime:
    return BEGAN + timedelta(milliseconds=ms)


def invocation(status: str = "running", **fields: Any) -> Invocation:
    """completed_ms: when it ended."""
    ended_ms = fields.pop("completed_ms", None)
    told = {
        "id": ID, "target": "Desk/ask", "service": "Desk", "key": None, "handler": "ask", "kind": "service",
        "status": status, "failed": False, "created_at": BEGAN, "modified_at": BEGAN,
        "completed_at": None if ended_ms is None else at(ended_ms), "scheduled_at": None, "retry_count": 0,
        "next_retry_at": None, "last_failure": None, "failure": None, "deployment_id": None,
        "idempotency_key": None, "caller_id": None, "caller_target": None, "restarted_from": None,
        "journal_size": 9,
    }  # fmt: skip
    return Invocation(**{**told, **fields})


def command(index: int, kind: str, start_ms: int, end_ms: int | None = None, **fields: Any) -> Step:
    """One that is completed at end_ms, or, without it, that waits for nothing; completed=False: it waits."""
    ended_at = None if end_ms is None else at(end_ms)
    told = {"name": "", "completed": None if end_ms is None else True, "ended_at": ended_at, **fields}
    return Step(index=index, kind=kind, started_at=at(start_ms), **told)


def ran(
    index: int,
    name: str,
    start_ms: int,
    end_ms: int | None,
    result: Any = None,
    *,
    agents: tuple[str, ...] = (),
    call_id: str | None = None,
    error: dict[str, Any] | None = None,
    **about: Any,
) -> Step:
    """A run entry, as `perdure.durable` journals it; end_ms None: it is under way."""
    facts: dict[str, Any] = {**({"agent": list(agents)} if agents else {}), **about}
    if call_id is not None:
        facts["call_id"] = call_id
    outcome = {"ok": result} if error is None else {"error": error}
    value = json.dumps({**({"about": facts} if facts else {}), **outcome}).encode()
    if end_ms is None:
        return command(index, "run", start_ms, name=name, completed=False)
    return command(index, "run", start_ms, end_ms, name=name, value=value, value_bytes=len(value))


def model(
    index: int,
    start_ms: int,
    end_ms: int,
    agents: tuple[str, ...],
    *said: str | tuple[str, str],
    call_id: str | None = None,
    **about: Any,
) -> Step:
    """A model call that says texts, and asks for tools: (name, call id)."""
    output = [
        {"type": "message", "content": [{"type": "output_text", "text": each}]}
        if isinstance(each, str)
        else {
            "type": "function_call",
            "name": each[0],
            "arguments": f'{{"of": "{each[1]}"}}',
            "call_id": each[1],
        }
        for each in said
    ]
    answer = {"version": 1, "output": output, "usage": {"input_tokens": 10, "output_tokens": 5}}
    return ran(index, "call LLM", start_ms, end_ms, answer, agents=agents, call_id=call_id, **about)


def tool(index: int, name: str, start_ms: int, end_ms: int | None, call_id: str, *agents: str) -> Step:
    """The step of a plain tool."""
    return ran(index, name, start_ms, end_ms, {"output": f"{name} is done"}, agents=agents, call_id=call_id)
