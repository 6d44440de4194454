"""The id that the runner gives to a run which belongs to no conversation, session or group.

It is the key under which the provider caches the prompt, so it has to be the same in all attempts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from perdure.durable import current
from perdure.openai.compat.point import Point

_NEW_ID = Point("agents.run_internal.run_grouping", "uuid4")


def _new_id(_original: Any) -> UUID:
    context = current()
    assert context is not None
    return context.uuid()


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_NEW_ID: _new_id}
