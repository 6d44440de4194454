"""`perdure doctor`: what is a step, what is orchestration, what is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Perdure = Callable[..., "subprocess.CompletedProcess[str]"]

AGENTS = """
import restate
from agents import Agent, function_tool
from agents.sandbox import SandboxAgent
from perdure import durable_tool


@function_tool
async def look_up(word: str) -> str:
    "Look up."
    return word


@durable_tool
async def book(trip: str) -> str:
    "Book."
    return trip


clerk = Agent(name="Clerk [1]", tools=[look_up, book])
service = restate.Service("Agent")
app = restate.app([service])
"""


def test_it_tells_of_each_agent(perdure: Perdure, tmp_path: Path) -> None:
    (tmp_path / "clerk.py").write_text(AGENTS)
    done = perdure("doctor", "clerk.py")
    assert done.returncode == 0, done.stderr
    assert "Clerk [1]" in done.stdout
    kinds = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert (kinds["look_up"], kinds["book"]) == ("step", "orchestration")


def test_a_refused_part_is_an_exit_code(perdure: Perdure, tmp_path: Path) -> None:
    (tmp_path / "clerk.py").write_text(AGENTS + "box = SandboxAgent(name='Box')\n")
    done = perdure("doctor", "clerk.py", "--json")
    assert done.returncode == 1
    box, clerk = json.loads(done.stdout)
    assert box["agent"] == "Box"
    assert [f["what"] for f in box["findings"] if f["kind"] == "refused"] == ["sandbox"]
    assert not [f for f in clerk["findings"] if f["kind"] == "refused"]


def test_an_app_whose_agents_are_made_later_says_so(perdure: Perdure, tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("import restate\napp = restate.app([restate.Service('S')])\n")
    done = perdure("doctor", "none.py")
    assert done.returncode == 0
    assert "No agent" in done.stdout


def test_a_target_that_is_not_there_is_one_line(perdure: Perdure) -> None:
    done = perdure("doctor", "nowhere.py")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
