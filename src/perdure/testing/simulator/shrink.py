"""Find a shorter history that fails too, by leaving things out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from perdure.testing.simulator.scenario import Op, Scenario, Step

T = TypeVar("T")

PLAYS_MAX = 1500


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """`scenario` fails; so does what is returned, and nothing in it can be left out alone (or the search
    was given up, after PLAYS_MAX plays)."""
    plays = 0

    def still_fails(candidate: Scenario) -> bool:
        nonlocal plays
        plays += 1
        return plays <= PLAYS_MAX and fails(candidate)

    before = None
    while scenario != before and plays < PLAYS_MAX:
        before = scenario
        scenario = _with_fewer_steps(scenario, still_fails)
        scenario = _with_simpler_steps(scenario, still_fails)
        for target in scenario.programs:
            scenario = _with_fewer_ops(scenario, target, still_fails)
    return scenario


def _with_fewer_steps(scenario: Scenario, still_fails: Callable[[Scenario], bool]) -> Scenario:
    def keeping(steps: Sequence[Step]) -> Scenario:
        return replace(scenario, steps=tuple(steps))

    return keeping(_shorter(scenario.steps, lambda steps: still_fails(keeping(steps))))


def _with_simpler_steps(scenario: Scenario, still_fails: Callable[[Scenario], bool]) -> Scenario:
    """Numbers become 0, which means the first of what is possible: so a step depends less on the others."""
    for at, step in enumerate(scenario.steps):
        simpler = Step(step.kind)
        candidate = replace(scenario, steps=(*scenario.steps[:at], simpler, *scenario.steps[at + 1 :]))
        if step != simpler and still_fails(candidate):
            scenario = candidate
    return scenario


def _with_fewer_ops(scenario: Scenario, target: str, still_fails: Callable[[Scenario], bool]) -> Scenario:
    def keeping(ops: Sequence[Op]) -> Scenario:
        return replace(scenario, programs=scenario.programs | {target: tuple(ops)})

    return keeping(_shorter(scenario.programs[target], lambda ops: still_fails(keeping(ops))))


def _shorter(items: Sequence[T], still_fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Leave out halves, quarters, and so on down to single ones, as long as it still fails."""
    size = max(1, len(items) // 2)
    while True:
        at = 0
        while at < len(items):
            kept = [*items[:at], *items[at + size :]]
            if still_fails(kept):
                items = kept
            else:
                at += size
        if size == 1:
            return items
        size //= 2
