"""`perdure invocations list|describe`, asked of either engine, of nothing and of the wrong thing."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from desk_engine import Command, Desk

pytestmark = pytest.mark.xdist_group("commands on both engines")

Perdure = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def since() -> str:
    """When the test began: the engine is shared, and other tests' invocations are older."""
    return time.strftime("%Y-%m-%dT%H:%M:%S") + f".{int(time.time() * 1000) % 1000:03}"


def test_nothing_found_is_said(command: Command) -> None:
    done = command("invocations", "list", "--service", "Nobody")
    assert (done.code, done.out) == (0, "no invocations\n")


def test_list_is_a_line_an_invocation_newest_first(desk: Desk, command: Command, since: str) -> None:
    greeted, failed = desk.call("Agent/greet", "Ada"), desk.call("Agent/fail", "no such city")
    running = desk.send("Agent/work", 60)
    desk.wait_for(running, "running")
    heading, *lines = command("invocations", "list", "--since", since).out.splitlines()
    assert heading.split() == ["ID", "TARGET", "STATUS", "AGE", "TOOK", "FAILURE"]
    assert lines[0].startswith(f"{running}  Agent/work")
    assert "running" in lines[0]
    assert lines[1].startswith(f"{failed}  Agent/fail")
    assert lines[1].rstrip().endswith("[404] no such city")
    assert len(lines) == 4, "greet, the nap that it called, fail, work"
    assert any(re.match(rf"{greeted}  Agent/greet +completed", line) for line in lines)
    command("invocations", "kill", running)


@pytest.mark.parametrize(
    ("chosen", "handlers"),
    [
        (["--status", "failed"], ["fail"]),
        (["--status", "succeeded", "--handler", "nap"], ["nap"]),
        (["--status", "completed"], ["fail", "nap", "write"]),
        (["--service", "Notes"], ["write"]),
        (["--service", "Notes", "--key", "ada"], ["write"]),
        (["--key", "bob"], []),
        (["--text", "Agent/fai"], ["fail"]),
        (["--until", "2026-01-01"], []),
    ],
)
def test_list_takes_filters(
    desk: Desk, command: Command, since: str, chosen: list[str], handlers: list[str]
) -> None:
    desk.call("Agent/fail", "no such city")
    desk.call("Agent/nap", 0)
    desk.call("Notes/ada/write", {})
    found = json.loads(command("invocations", "list", "--since", since, *chosen, "--json").out)
    assert sorted(row["handler"] for row in found) == handlers


def test_pages_go_on_where_the_last_one_ended(desk: Desk, command: Command, since: str) -> None:
    called = [desk.call("Agent/nap", 0) for _ in range(5)]
    first = command("invocations", "list", "--since", since, "--limit", "2", "--ids")
    cursor = re.search(r"there are more: --cursor (\S+),", first.err)
    assert cursor is not None
    rest = command("invocations", "list", "--since", since, "--cursor", cursor[1], "--ids")
    assert rest.err == ""
    assert first.out.split() + rest.out.split() == called[::-1]
    assert command("invocations", "list", "--since", since, "--all", "-q").out.split() == called[::-1]


def test_json_has_every_field_always(desk: Desk, command: Command) -> None:
    failed = desk.call("Agent/fail", "no such city")
    told = json.loads(command("invocations", "describe", failed, "--json").out)
    assert told["id"] == failed
    assert (told["target"], told["service"], told["handler"], told["key"]) == (
        "Agent/fail", "Agent", "fail", None,
    )  # fmt: skip
    assert (told["status"], told["state"], told["failed"]) == ("completed", "failed", True)
    assert told["failure"] == "[404] no such city"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["created_at"])
    assert told["next_retry_at"] is None
    assert [step["kind"] for step in told["steps"]] == ["input", "output"]
    assert told["steps"][0]["value"] == '"no such city"'
    assert told["failures"] == []
    (row,) = json.loads(command("invocations", "list", "--text", failed, "--json").out)
    assert row.keys() == told.keys() - {"usage", "steps", "failures"}


def test_a_narrow_terminal_cuts_text_and_nothing_else(
    desk: Desk, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = desk.call("Agent/fail", "no such city " * 20)
    monkeypatch.setenv("COLUMNS", "80")
    table = command("invocations", "list", "--text", failed).out
    assert max(len(line) for line in table.splitlines()) <= 80
    assert re.search(rf"{failed} +Agent/fail +failed +[\d.]+m?s +[\d.]+m?s +\S", table)
    tree = command("invocations", "describe", failed).out.partition("Agent/fail\n├")[2]
    assert max(len(line) for line in tree.splitlines()) <= 80
    assert tree.rstrip().endswith("…")


def test_describe_folds_completions_into_commands_and_nests_what_was_called(
    desk: Desk, command: Command
) -> None:
    greeted = desk.call("Agent/greet", "Ada")
    done = command("invocations", "describe", greeted)
    assert done.code == 0
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert lines[0] == greeted
    assert "status completed" in [" ".join(line.split()) for line in lines]
    tree = lines[lines.index("Agent/greet") :]
    spent = r"(\d+ms|\d+\.\d\ds)"
    for pattern, line in zip(
        [
            r"Agent/greet",
            rf'├── #\d input +\+{spent} +"Ada"',
            rf'├── #\d call LLM +run +\+{spent} +took {spent} +"hello Ada"',
            rf'├── #\d Agent/nap +call +\+{spent} +took {spent} +inv_\w+ +"rested"',
            rf"│   ├── #\d input +\+{spent} +0.05",
            rf"│   ├── #\d pause +sleep +\+{spent} +took {spent}",
            rf'│   └── #\d output +\+{spent} +"rested"',
            rf'└── #\d output +\+{spent} +"hello Ada, rested"',
        ],
        tree,
        strict=True,
    ):
        assert re.fullmatch(pattern, line), f"{line!r} is not like {pattern!r}"
    slept = re.search(r"pause +sleep +\S+ +took (\d+)ms", done.out)
    assert slept is not None
    assert 40 <= int(slept[1]) < 1000  # times are whole milliseconds
    flat = command("invocations", "describe", greeted, "--depth", "0").out
    assert "pause" not in flat
    assert "Agent/nap" in flat


def test_describe_says_what_still_runs_and_how_it_failed(desk: Desk, command: Command) -> None:
    working, napping = desk.send("Agent/work", 60), desk.send("Agent/nap", 3600)
    failed = desk.call("Agent/fail", "no such city")
    deadline = time.monotonic() + 20
    while "work" not in (told := command("invocations", "describe", working).out).partition("├")[2]:
        assert time.monotonic() < deadline
    assert re.search(r"#1 work +run +\S+ +running for \d", told)
    while "pause" not in (told := command("invocations", "describe", napping).out):
        assert time.monotonic() < deadline
    assert re.search(
        r"#1 pause +sleep +\S+ +sleeps until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(in (59m\d\ds|1h00m)\)", told
    )
    told = command("invocations", "describe", failed).out
    assert re.search(r"failure +\[404\] no such city", told)
    assert re.search(r"#1 output +\S+ +failed: \[404\] no such city", told)
    assert command("invocations", "kill", working, napping).code == 0


def test_what_was_written_to_fool_a_terminal_is_shown_and_not_obeyed(desk: Desk, command: Command) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe\r perdure: all is well"
    failed = desk.call("Agent/fail", hostile)
    for arguments in (
        ["invocations", "list", "--text", failed],
        ["invocations", "describe", failed],
        ["logs", failed],
        ["sql", f"SELECT completion_failure FROM sys_invocation WHERE id = '{failed}'"],
    ):
        done = command(*arguments)
        assert "owned" in done.out, arguments
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(done.out), arguments
    told = json.loads(command("invocations", "describe", failed, "--json").out)
    assert json.loads(told["steps"][0]["value"]) == hostile, "programs get it as it is"


def test_what_the_engine_refuses_is_its_own_line_and_exit_code_1(desk: Desk, command: Command) -> None:
    finished = desk.call("Agent/nap", 0)
    for arguments, told in (
        (["cancel", "inv_1cJ8Q6oKoQw60KfoOEPmzz0FJrWwhSRmP3"], "inv_1cJ8Q6oKoQw60KfoOEPmzz0FJrWwhSRmP3"),
        (["kill", finished], "completed"),
        (["describe", "inv_tooShort"], "inv_tooShort"),
    ):
        done = command("invocations", *arguments)
        assert done.code == 1, arguments
        assert done.err.startswith("perdure: ")
        assert told in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize("text", ["nonsense", "../version", "inv_", "inv_1/kill", "inv_1 or 1=1"])
def test_what_cannot_be_an_id_is_refused_before_it_is_sent(perdure: Perdure, text: str) -> None:
    done = perdure("invocations", "kill", text, "--admin", "127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr == (
        f"perdure: {text!r} is not an invocation id (inv_...): `perdure invocations list` shows them\n"
    )


def test_no_engine_is_one_line_and_exit_code_3(perdure: Perdure) -> None:
    done = perdure("invocations", "list", "--admin", "127.0.0.1:1")
    assert done.returncode == 3
    assert done.stderr == (
        "perdure: cannot reach the engine's admin API at http://127.0.0.1:1: is `perdure up` running?\n"
    )
    by_environment = perdure("invocations", "describe", "inv_1", PERDURE_ADMIN="http://127.0.0.1:1/")
    assert (by_environment.returncode, by_environment.stderr) == (3, done.stderr)


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>a web server</html>")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def web_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_server_that_is_no_engine_is_told_apart(perdure: Perdure, web_server: str, desk: Desk) -> None:
    for address in (web_server, desk.ingress):
        done = perdure("invocations", "list", "--admin", address)
        assert done.returncode == 3
        assert "is not an engine's admin API" in done.stderr
        assert "is --admin the right address?" in done.stderr
