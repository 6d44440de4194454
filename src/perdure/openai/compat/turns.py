"""Turns: where the runner begins one, or goes on with one that waited for approvals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.openai.agent_changes import in_turn
from perdure.openai.compat.point import Point
from perdure.openai.turns import turn_of

_TURNS = (
    Point("agents.run", "run_single_turn", "bindings"),
    Point("agents.run", "resolve_interrupted_turn", "bindings"),
    Point("agents.run_internal.run_loop", "resolve_interrupted_turn", "bindings"),
)
_STREAMED = Point("agents.run_internal.run_loop", "run_single_turn_streamed", "streamed_result", "bindings")


async def _turn(original: Any, *, bindings: Any, **arguments: Any) -> Any:
    with turn_of(bindings.public_agent.name), in_turn(bindings.public_agent):
        return await original(bindings=bindings, **arguments)


async def _turn_streamed(original: Any, result: Any, bindings: Any, *arguments: Any, **named: Any) -> Any:
    with turn_of(bindings.public_agent.name), in_turn(bindings.public_agent):
        return await original(result, bindings, *arguments, **named)


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {**dict.fromkeys(_TURNS, _turn), _STREAMED: _turn_streamed}
