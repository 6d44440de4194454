"""A sample of the crash matrix: `make crash` runs all of it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from crash_matrix import MODEL_CALL, SCENARIOS, Findings, _in_flight, _lost, _wrong, matrix
from effect_log import Line
from engines import EngineName
from kill_switch_file import PHASES

DEATHS_EACH = 2
STEPS_MIN = {"durable-session": 3, "re-attach": 2}  # the others have more than these four


@pytest.mark.crash
@pytest.mark.anyio
@pytest.mark.timeout(300)
async def test_a_death_at_any_step_repeats_nothing_that_was_recorded(
    engine_name: EngineName, tmp_path: Path
) -> None:
    seed = int(os.environ.get("PERDURE_CRASH_SEED") or random.randrange(2**32))
    print(f"PERDURE_CRASH_SEED={seed}")  # shown when the test fails: the same boundaries again
    chance = random.Random(seed)
    found = Findings()
    async with matrix(engine_name, tmp_path) as runs:
        for scenario in SCENARIOS:
            for _ in range(DEATHS_EACH):
                step, phase = chance.randint(1, STEPS_MIN.get(scenario, 4)), chance.choice(PHASES)
                assert await runs.die(scenario, step, phase, found), f"{scenario} has no step {step}"
    assert found.faults == []
    assert found.deaths == DEATHS_EACH * len(SCENARIOS)


# ---- what the matrix would say of an engine with faults


def test_a_record_that_the_last_life_was_not_given_is_lost() -> None:
    def given(process: str, step: str) -> Line:
        return Line("given", "inv", step, process)

    lines = [given("1", "1:a"), given("1", "2:b"), given("2", "1:a"), given("2", "3:c")]
    assert list(_lost(lines)) == ["2:b"]
    assert list(_lost([*lines, given("2", "2:b")])) == []


def test_an_answer_must_tell_of_the_last_execution_of_every_effect() -> None:
    lines = [
        Line("ran", "effects", "a", "1"),
        Line("ran", "effects", "a", "2"),
        Line("ran", "effects", "b", "3"),
    ]
    assert list(_wrong(lines, "a=2 b=3")) == []
    assert len(list(_wrong(lines, "a=1 b=3"))) == 1
    assert len(list(_wrong(lines, "a=2"))) == 1
    assert len(list(_wrong(lines, "a=2 b=3 c=4"))) == 1


def test_what_ran_again_before_its_record_is_counted_apart() -> None:
    call = f"1:{MODEL_CALL}"
    lines = [Line("ran", "inv", call, "1"), Line("ran", "inv", call, "2"), Line("ran", "inv", "2:b", "3")]
    assert _in_flight(lines) == 1
