"""`perdure logs`."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest
from desk_engine import Command, Desk

pytestmark = pytest.mark.xdist_group("commands on both engines")


def test_one_invocation_from_its_beginning_to_its_end(desk: Desk, command: Command) -> None:
    failed = desk.call("Agent/fail", "no such\ncity")
    lines = command("logs", failed).out.splitlines()
    begun, ended = lines
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  {failed}  Agent/fail  created", begun)
    assert ended.endswith(f"{failed}  Agent/fail  failed: [404] no such city")
    told = [json.loads(line) for line in command("logs", failed, "--json").out.splitlines()]
    assert [each["kind"] for each in told] == ["created", "failed"]
    assert told[1]["message"] == "[404] no such\ncity"


def test_attempts_that_fail_with_their_stack_traces(desk: Desk, command: Command) -> None:
    retried = desk.send("Agent/retry", "no luck")
    deadline = time.monotonic() + 20
    while "attempt failed" not in (told := command("logs", retried).out):
        assert time.monotonic() < deadline, told
    assert "Agent/retry  attempt failed" in told
    assert "no luck" in told
    assert "Traceback" not in told
    assert "RuntimeError: no luck" in command("logs", retried, "--stacktraces").out
    assert command("invocations", "kill", retried).code == 0


def test_follow_goes_on_until_it_has_ended(desk: Desk, command: Command) -> None:
    waiting = desk.send("Agent/wait", "x")
    desk.wait_for(waiting, "running", "suspended")
    kill = threading.Timer(2, lambda: desk.kill(waiting))
    kill.start()
    done = command("logs", waiting, "--follow")
    kill.join()
    assert done.code == 0
    assert [line.split()[4] for line in done.out.splitlines()] == ["created", "failed:"]


def test_a_service_of_late_and_an_id_that_is_not_there(desk: Desk, command: Command) -> None:
    written = desk.call("Notes/ada/write", {})
    assert written in command("logs", "--service", "Notes", "--since", "1m").out
    assert command("logs", "--service", "Nobody").out == ""
    missing = command("logs", "inv_1cJ8Q6oKoQw60KfoOEPmzz0FJrWwhSRmP3")
    assert missing.code == 1
    assert missing.err.count("\n") == 1
