"""`perdure invocations watch`: on a terminal, in a pipe, and through a restart of the engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from child_process import PERDURE
from desk_engine import Command, Desk
from embedded_engine import EmbeddedEngine

pytestmark = pytest.mark.xdist_group("commands on both engines")

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A `perdure` on a terminal of 100 x 30."""

    def __init__(self, *arguments: str, admin: str) -> None:
        self._ours, theirs = os.openpty()
        environment = {**os.environ, "PERDURE_ADMIN": admin, "COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
        self.process = subprocess.Popen(
            [PERDURE, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self._seen = ""

    def shows(self, text: str) -> None:
        """Waits until it has shown this, since it was last asked."""
        deadline = time.monotonic() + 30
        while text not in self._seen:
            assert time.monotonic() < deadline, self._seen
            try:
                self._seen += _CONTROL.sub("", os.read(self._ours, 65536).decode(errors="replace"))
            except OSError:  # it has ended
                assert text in self._seen, self._seen
        self._seen = self._seen.partition(text)[2]

    def ends(self) -> int:
        """Its exit code."""
        while True:
            try:
                if not os.read(self._ours, 65536):
                    break
            except OSError:
                break
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._ours)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*arguments: str, admin: str) -> Terminal:
        opened.append(Terminal(*arguments, admin=admin))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


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


def test_it_goes_on_through_a_restart_of_the_engine(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    engine = EmbeddedEngine(str(Path(__file__).with_name("desk.py")), tmp_path)
    try:
        asyncio.run(engine.start())
        sent = httpx2.post(f"{engine.ingress_url}/Agent/work/send", json=4).json()["invocationId"]
        watching = terminal("invocations", "watch", sent, admin=engine.admin_url)
        watching.shows("running for")
        engine.kill()
        watching.shows("cannot reach the engine")
        asyncio.run(engine.start())
        watching.shows("took")
        watching.shows("42")
        assert watching.ends() == 0
    finally:
        engine.kill()


def test_without_an_id_it_is_a_list_that_follows(
    desk: Desk, command: Command, terminal: Callable[..., Terminal]
) -> None:
    refused = command("invocations", "watch")
    assert refused.code == 2
    assert refused.err.startswith("perdure: watch without an ID needs a terminal")

    waiting = desk.send("Agent/wait", "x")
    watching = terminal("invocations", "watch", "--text", waiting, admin=desk.admin)
    watching.shows("Agent/wait")
    desk.kill(waiting)
    watching.shows("failed")
    watching.process.send_signal(signal.SIGINT)
    assert watching.ends() == 0


def test_an_id_and_a_filter_are_one_too_many(desk: Desk, command: Command) -> None:
    done = command("invocations", "watch", desk.call("Agent/nap", 0), "--status", "running")
    assert done.code == 2
    assert done.err == "perdure: an ID says already which: leave the filter out\n"
