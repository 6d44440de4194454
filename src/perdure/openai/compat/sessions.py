"""Sessions: the one function through which the runner calls any method of any session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.openai import sessions
from perdure.openai.compat.point import Point

_CALL_SESSION = Point("agents.run_internal.session_persistence", "_call_session_method", "method", "wrapper")


async def _call_session(original: Any, method: Any, /, *args: Any, **options: Any) -> Any:
    return await sessions.call_session(method, lambda: original(method, *args, **options))


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_CALL_SESSION: _call_session}
