"""The pages about the insides: their commands run, their outputs are real, their drawings name what is there.

`make` only says what it would do, for its targets take minutes, and the simulator plays a few histories.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_shell import PageShell
from pages import ROOT, page
from shown_output import is_shown

from perdure.testing.simulator.__main__ import main as simulate

DESIGN = page("docs/design.md", "halves rooms heart step")
LOOP = page("docs/guide/deterministic-loop.md", "loop")
CRASHES = page("docs/guide/crash-matrix.md", "make")
SUITE = page("docs/guide/sdk-suite.md", "make result")
SIMULATOR = page("docs/guide/simulator.md", "play found")


def test_their_commands_run(shell: PageShell) -> None:
    shell.run(CRASHES.make)
    everything, rest = shell.run(SUITE.make)
    assert "--resume" in rest
    assert "--resume" not in everything
    shell.words.known["10000"] = "20"
    assert shell.run(SIMULATOR.play)[0].startswith("20 histories, no promise broken")


def test_the_rooms_of_the_house_are_those_of_the_source() -> None:
    told = set(re.findall(r"(?:^|  )(\w+(?:/|\.py))(?= |$)", DESIGN.rooms.text, flags=re.MULTILINE))
    source = [path for path in (ROOT / "src" / "perdure").rglob("*") if "__pycache__" not in path.parts]
    there = {f"{path.name}/" if path.is_dir() else path.name for path in source}
    assert told <= there
    assert {f"{path.name}/" for path in source if path.is_dir() and path.parent.name == "perdure"} <= told


@pytest.mark.parametrize("drawing", [DESIGN.halves, DESIGN.heart, DESIGN.step, LOOP.loop], ids=str)
def test_what_is_only_drawn_looks_like_nothing_to_be_run(drawing) -> None:
    assert drawing.language == "text"
    assert not re.search(r"^(\$|perdure|curl|make|python|import|from) ", drawing.text, flags=re.MULTILINE)


@pytest.fixture
def quiet() -> Iterator[None]:
    """The simulator turns logging off for good: refused writes are part of its play."""
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
def test_the_simulator_finds_the_bug_of_the_guide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "simulation")
    from injected_bugs import unlocks_an_object_while_its_holder_is_suspended

    unlocks_an_object_while_its_holder_is_suspended(monkeypatch)
    assert simulate(["--seed", "5", "--runs", "1"]) == 1
    assert is_shown(SIMULATOR.found.text.splitlines(), capsys.readouterr().out)


def test_the_result_of_the_sdks_suite_is_its_last_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from tests.sdk_suite.report import MODES, Results, report

    report("0.24.0", {mode: Results(tmp_path / mode) for mode in MODES}, tmp_path / "report")
    *_, last = capsys.readouterr().out.splitlines()
    assert re.sub(r"\d+", "0", SUITE.result.text.strip()) == last
