"""The plugin in an empty folder: what a newcomer writes, run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PLUGIN = "perdure.testing.pytest_plugin"

APP = """
from datetime import timedelta

import restate

greeter = restate.Service("Greeter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    await ctx.sleep(timedelta(days=1))
    return f"Hello {name}"


app = restate.app([greeter])
"""

TEST = """
import pytest

from app import app


@pytest.mark.anyio
async def test_greeting_takes_a_day_and_no_time(perdure_harness):
    async with perdure_harness(app) as h:
        started = h.now
        invocation = await h.send("Greeter/greet", "Ada")
        assert await h.attach(invocation) == "Hello Ada"
        assert (h.now - started).days == 1


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The entry point is metadata, which an editable install takes over only when it is installed again:
    # where it is missing, the plugin is named by hand.
    installed = {plugin.value for plugin in entry_points(group="pytest11")}
    by_hand = [] if PLUGIN in installed else ["-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", "-q", "-s", *by_hand, *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_newcomers_test_passes_and_can_be_replayed_at_every_await(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "test_greeter.py").write_text(TEST)

    live = run_pytest(tmp_path)
    assert "1 passed" in live.stdout, live.stdout + live.stderr
    replayed = run_pytest(tmp_path, "--perdure-always-replay")
    assert "1 passed" in replayed.stdout, replayed.stdout + replayed.stderr


def test_a_wrong_handler_fails_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP.replace("Hello {name}", "Hullo {name}"))
    (tmp_path / "test_greeter.py").write_text(TEST)

    failed = run_pytest(tmp_path)
    assert failed.returncode == 1
    assert "Hullo Ada" in failed.stdout
    assert "Traceback" not in failed.stderr
