"""Sessions: each operation is one step.

A read is journaled, so a replay sees the history that the run saw. A write is made again if the process
dies between the write and its record, as every step is; a session that loses and doubles nothing comes with
a later version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from perdure.durable import step


async def call_session(method: Any, call: Callable[[], Awaitable[Any]]) -> Any:
    """Call a method of a session as one step, named like `session.get_items`."""
    return await step(f"session.{method.__name__.lstrip('_')}", call)
