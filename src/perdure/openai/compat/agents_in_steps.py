"""Where a run chooses the model of a turn: a run that was started inside of a step comes by here too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent

from perdure.openai import agents_in_steps
from perdure.openai.compat.point import Point

_GET_MODEL = Point("agents.run_internal.run_loop", "get_model", "agent", "run_config")


def _get_model(original: Any, agent: Agent[Any], run_config: Any) -> Any:
    agents_in_steps.meet(agent.name)
    return original(agent, run_config)


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {}
IN_STEPS: dict[Point, Callable[..., Any]] = {_GET_MODEL: _get_model}
