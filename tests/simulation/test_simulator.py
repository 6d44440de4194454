"""The engine keeps its promises in whatever history the seeds make; and the simulator can tell when not."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from injected_bugs import BUGS, drops_a_timer_row, fires_timers_early

from perdure.protocol.messages import MessageType, type_name
from perdure.testing.simulator.__main__ import main
from perdure.testing.simulator.scenario import generate
from perdure.testing.simulator.shrink import shrink
from perdure.testing.simulator.world import World, play

SEEDS = range(1, 61)
SEEDS_MAX = 400


def test_no_history_breaks_a_promise() -> None:
    assert {seed: broken for seed in SEEDS if (broken := play(generate(seed)))} == {}


def test_the_histories_are_worth_something() -> None:
    """They use every command that a program has, and get into crashes, retries and suspensions."""
    entries: Counter[str] = Counter()
    attempts = lives = 0
    for seed in range(1, 41):
        world = World(generate(seed))
        world.play()
        lives += world.lives
        attempts += sum(row.attempt for row in world.ledger.rows.values())
        entries.update(
            type_name(entry.type) for journal in world.ledger.journals.values() for entry in journal
        )
    invocations = entries["Command: Input"]
    assert invocations > 200
    assert attempts > 1.5 * invocations
    assert lives > 60
    for kind in (
        MessageType.RUN_COMPLETION,
        MessageType.SLEEP_COMPLETION,
        MessageType.CALL_COMPLETION,
        MessageType.ONE_WAY_CALL,
        MessageType.SIGNAL,
        MessageType.SET_STATE,
        MessageType.GET_EAGER_STATE,
        MessageType.GET_LAZY_STATE_COMPLETION,
        MessageType.GET_PROMISE_COMPLETION,
        MessageType.ATTACH_INVOCATION_COMPLETION,
    ):
        assert entries[type_name(kind)] > 2, type_name(kind)


def test_a_seed_is_always_the_same_history() -> None:
    first, second = World(generate(7)), World(generate(7))
    assert first.play() == second.play() == []
    assert first.ledger.journals == second.ledger.journals
    assert first.ledger.rows == second.ledger.rows


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_bug_is_found(bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    for seed in range(1, SEEDS_MAX):
        if broken := play(generate(seed)):
            assert re.search(BUGS[bug], broken[0]), broken
            return
    pytest.fail(f"{SEEDS_MAX} histories, and nobody noticed")


def test_a_failing_history_is_cut_down_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    drops_a_timer_row(monkeypatch)
    failing = next(scenario for seed in range(SEEDS_MAX) if play(scenario := generate(seed)))

    shortest = shrink(failing, lambda scenario: bool(play(scenario)))
    assert play(shortest)
    assert len(shortest.steps) <= 5
    assert sum(map(len, shortest.programs.values())) <= 8
    assert "sleep" in str(shortest)


def test_the_command_prints_the_shortest_history_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seed", "3", "--runs", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 histories, no promise broken")

    fires_timers_early(monkeypatch)
    assert main(["--seed", "1", "--runs", "50"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^seed \d+: .*early", printed)
    assert "the shortest history found" in printed
    assert len(re.findall(r"(go|both|wait)\(", printed)) < 10
