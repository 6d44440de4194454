"""The log that judges the crash tests notices what it is there to notice."""

from __future__ import annotations

from pathlib import Path

import pytest
from effect_log import Line, last_receipts, ran, read, repetitions, saw


def script(text: str) -> list[Line]:
    return [Line(event, "inv_1", step, receipt) for event, step, receipt in map(str.split, text.splitlines())]


def test_a_step_cut_off_before_its_result_was_recorded_may_run_again() -> None:
    assert list(repetitions(script("ran pay A\nran pay B\nsaw pay B\nsaw pay B"))) == []


def test_a_step_that_runs_after_its_result_was_seen_is_a_repetition() -> None:
    (problem,) = repetitions(script("ran pay A\nsaw pay A\nran pay B"))
    assert problem == "pay of inv_1 ran again after its result was recorded"


def test_a_replay_with_another_result_is_noticed() -> None:
    (problem,) = repetitions(script("ran pay A\nran pay B\nsaw pay A\nsaw pay B"))
    assert problem == "pay of inv_1 replayed with another result than it had"


def test_the_last_receipt_is_the_one_that_an_answer_must_name() -> None:
    assert last_receipts(script("ran pay A\nran pay B\nsaw pay B\nran hold C")) == {
        ("inv_1", "pay"): "B",
        ("inv_1", "hold"): "C",
    }


def test_each_time_an_effect_takes_place_it_has_another_receipt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "effects.txt"
    monkeypatch.setenv("EFFECT_LOG", str(path))
    first, second = ran("inv_1", "pay"), ran("inv_1", "pay")
    saw("inv_1", "pay", second)
    assert first != second
    assert read(path) == [
        Line("ran", "inv_1", "pay", first),
        Line("ran", "inv_1", "pay", second),
        Line("saw", "inv_1", "pay", second),
    ]
