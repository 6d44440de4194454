"""What Tab offers, asked as the shells' own scripts ask it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from child_process import PERDURE
from desk_engine import Command, Desk

pytestmark = pytest.mark.xdist_group("commands on both engines")


HEAVY = ("agents", "restate", "granian", "pyqwest", "starlette", "uvicorn", "sqlite3", "perdure.engine")


def asked(line: str, shell: str, admin: str) -> dict[str, str]:
    """The environment in which a shell's script runs the command."""
    by_shell = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    return {**by_shell[shell], "_PERDURE_COMPLETE": f"complete_{shell}", "PERDURE_ADMIN": admin}


def tab(line: str, admin: str = "127.0.0.1:1", shell: str = "bash") -> list[str]:
    """The words that are offered at the end of the line."""
    done = subprocess.run(
        [PERDURE],
        env={**os.environ, **asked(line, shell, admin)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_commands_and_options() -> None:
    assert "invocations" in tab("perdure inv")
    assert {"cancel", "describe", "list", "watch"} <= set(tab("perdure invocations "))
    assert "--status" in tab("perdure invocations list --sta")
    assert tab("perdure invocations list --status pa") == ["paused"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_ids_with_what_they_are(desk: Desk, command: Command, shell: str) -> None:
    running = desk.send("Agent/wait", "x")
    desk.wait_for(running, "running", "suspended")
    ended = desk.call("Agent/nap", 0)
    offered = "\n".join(tab("perdure invocations cancel inv_", desk.admin, shell))
    assert running in offered
    assert ended not in offered
    assert ended in "\n".join(tab("perdure invocations purge inv_", desk.admin, shell))
    if shell != "bash":  # which shows no descriptions
        assert "Agent/wait" in offered
    command("invocations", "kill", running)


def test_services_handlers_keys_and_names(desk: Desk, command: Command) -> None:
    desk.call("Notes/ada lovelace/write", {"draft": 1})
    command("sql", "SELECT 1")  # the first query starts a process, for which Tab does not wait
    assert tab("perdure services describe A", desk.admin) == ["Agent"]
    assert tab("perdure invocations list --service Notes --handler ", desk.admin) == ["write"]
    assert any("ada" in word for word in tab("perdure state get Notes ", desk.admin))
    assert tab("perdure deployments describe dp_", desk.admin)


def test_no_engine_means_no_suggestions_and_no_noise() -> None:
    assert tab("perdure invocations cancel inv_") == []
    assert tab("perdure services describe ", "nonsense") == []


def test_values_are_completed_without_anything_heavy(desk: Desk) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "perdure"],
        env={**os.environ, **asked("perdure invocations cancel inv_", "bash", desk.admin)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported.isdisjoint({*HEAVY, "httpx2", "perdure.inspection"})
