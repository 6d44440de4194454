"""Where and when a process is to die, as a test tells it: see kill_switch, which obeys."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

PATH_ENV = "KILL_SWITCH"
Phase = Literal["before the effect", "before its record", "after its record"]
PHASES: tuple[Phase, ...] = get_args(Phase)


def arm(path: Path, step: int, phase: Phase) -> None:
    """Kill the next process in whose life a run comes to its `step`th step, counted from 1."""
    path.write_text(f"{step} {phase}")
