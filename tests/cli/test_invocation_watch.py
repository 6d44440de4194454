"""`perdure invocations watch`: on a terminal, in a pipe, and through a restart of the engine."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import httpx2
import pytest
from child_process import PERDURE
from desk_engine import Command, Desk
from embedded_engine import EmbeddedEngine
from terminal import CTRL_C, Terminal

pytestmark = pytest.mark.xdist_group("commands on both engines")


def perdure(*arguments: str, directory: Path, admin: str) -> Terminal:
    return Terminal([PERDURE, *arguments], directory, {"PERDURE_ADMIN": admin})


def test_in_a_pipe_it_waits_for_the_end_and_its_exit_code_tells_it(desk: Desk, command: Command) -> None:
    waiting = desk.send("Agent/wait", "x")
    desk.wait_for(waiting, "running", "suspended")
    kill = threading.Timer(1, lambda: desk.kill(waiting))
    kill.start()
    done = command("invocations", "watch", waiting)
    kill.join()
    assert done.code == 1
    assert done.out.count(waiting) == 1
    assert "failure" in done.out

    succeeded = command("invocations", "watch", desk.call("Agent/nap", 0), "--json")
    assert succeeded.code == 0
    assert json.loads(succeeded.out)["state"] == "succeeded"


def test_it_goes_on_through_a_restart_of_the_engine(tmp_path: Path) -> None:
    engine = EmbeddedEngine(str(Path(__file__).with_name("desk.py")), tmp_path)
    try:
        asyncio.run(engine.start())
        sent = httpx2.post(f"{engine.ingress_url}/Agent/work/send", json=4).json()["invocationId"]
        with perdure("invocations", "watch", sent, directory=tmp_path, admin=engine.admin_url) as watching:
            watching.until("running for")
            engine.kill()
            watching.until("cannot reach the engine")
            asyncio.run(engine.start())
            watching.until("took")
            watching.until("42")
            assert watching.end() == 0
            assert watching.is_as_it_was()
    finally:
        engine.kill()


def test_without_an_id_it_is_a_list_that_follows(desk: Desk, command: Command, tmp_path: Path) -> None:
    refused = command("invocations", "watch")
    assert refused.code == 2
    assert refused.err.startswith("perdure: watch without an ID needs a terminal")

    waiting = desk.send("Agent/wait", "x")
    chosen = ("invocations", "watch", "--text", waiting)
    with perdure(*chosen, directory=tmp_path, admin=desk.admin) as watching:
        watching.until("Agent/wait")
        desk.kill(waiting)
        watching.until("failed")
        watching.type(CTRL_C)
        assert watching.end() == 0
        assert watching.is_as_it_was()


def test_an_id_and_a_filter_are_one_too_many(desk: Desk, command: Command) -> None:
    done = command("invocations", "watch", desk.call("Agent/nap", 0), "--status", "running")
    assert done.code == 2
    assert done.err == "perdure: an ID says already which: leave the filter out\n"
