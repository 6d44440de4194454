"""`perdure invocations`, asked of a running engine, and of nothing and the wrong thing."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

Perdure = Callable[..., "subprocess.CompletedProcess[str]"]


class Up:
    """A running `perdure up agent.py`, and the command line next to it."""

    def __init__(self, ingress: str, admin: str, perdure: Perdure) -> None:
        self.ingress = ingress
        self.admin = admin
        self._perdure = perdure

    def call(self, handler: str, body: object) -> str:
        """The id of the invocation, which has completed."""
        answer = httpx2.post(f"{self.ingress}/Agent/{handler}", json=body, timeout=20)
        return str(answer.headers["x-restate-id"])

    def send(self, handler: str, body: object) -> str:
        answer = httpx2.post(f"{self.ingress}/Agent/{handler}/send", json=body, timeout=20)
        return str(answer.json()["invocationId"])

    def invocations(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._perdure("invocations", *arguments, "--admin", self.admin, **environment)

    def wait_for_status(self, invocation_id: str, status: str) -> None:
        deadline = time.monotonic() + 20
        while (seen := self._status(invocation_id)) != status:
            assert time.monotonic() < deadline, f"{seen}, not {status}"
            time.sleep(0.05)

    def _status(self, invocation_id: str) -> str:
        return str(httpx2.get(f"{self.admin}/invocations/{invocation_id}").json()["status"])


@pytest.fixture
def engine(start_perdure: Callable[..., Any], perdure: Perdure) -> Up:
    server = start_perdure("up", "agent.py", "--ingress", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    said = dict(line.split(maxsplit=1) for line in server.wait_for_output("try ").splitlines()[1:])
    return Up(said["ingress"].strip(), said["admin"].strip(), perdure)


def test_an_empty_engine_says_so(engine: Up) -> None:
    done = engine.invocations("list")
    assert (done.returncode, done.stdout) == (0, "no invocations\n")


def test_list_is_a_line_an_invocation_newest_first(engine: Up) -> None:
    greeted, failed = engine.call("greet", "Ada"), engine.call("fail", "no such city")
    running = engine.send("nap", 60)
    done = engine.invocations("list")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["ID", "TARGET", "STATUS", "AGE", "TOOK", "FAILURE"]
    assert lines[0].startswith(f"{running}  Agent/nap")
    assert "running" in lines[0]
    assert lines[1].startswith(f"{failed}  Agent/fail")
    assert lines[1].rstrip().endswith("[404] no such city")
    assert re.search(r"Agent/greet +completed", done.stdout)
    assert lines[-1].startswith((greeted, "inv_"))
    assert len(lines) == 4, "greet, the nap that it called, fail, nap"


def test_list_filters_by_status_and_limit(engine: Up) -> None:
    finished = [engine.call("nap", 0) for _ in range(3)]
    running = engine.send("nap", 60)
    only = json.loads(engine.invocations("list", "--status", "running", "--json").stdout)
    assert [row["id"] for row in only] == [running]
    two = engine.invocations("list", "--status", "completed", "--limit", "2").stdout
    assert two.count("Agent/nap") == 2
    assert "the newest 2; more with --limit" in two
    assert finished[0] not in two


def test_a_narrow_terminal_cuts_text_and_nothing_else(engine: Up) -> None:
    failed = engine.call("fail", "no such city " * 20)
    table = engine.invocations("list", COLUMNS="80").stdout
    assert max(len(line) for line in table.splitlines()) <= 80
    assert re.search(rf"{failed} +Agent/fail +failed +[\d.]+m?s +[\d.]+m?s +\S", table)
    tree = engine.invocations("describe", failed, COLUMNS="80").stdout.partition("Agent/fail\n├")[2]
    assert max(len(line) for line in tree.splitlines()) <= 80
    assert tree.rstrip().endswith("…")


def test_describe_folds_completions_into_commands_and_nests_what_was_called(engine: Up) -> None:
    greeted = engine.call("greet", "Ada")
    done = engine.invocations("describe", greeted)
    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == greeted
    assert "status      completed" in lines
    assert 'result      "hello Ada, rested"' in lines
    tree = lines[lines.index("Agent/greet") :]
    spent = r"(\d+ms|\d+\.\d\ds)"
    for pattern, line in zip(
        [
            r"Agent/greet",
            rf'├── #0 input +\+{spent} +"Ada"',
            rf'├── #1 call LLM +run +\+{spent} +took {spent} +"hello Ada"',
            rf'├── #3 Agent/nap +call +\+{spent} +took {spent} +inv_\w+ +"rested"',
            rf"│   ├── #0 input +\+{spent} +0.05",
            rf"│   ├── #1 pause +sleep +\+{spent} +took {spent}",
            rf'│   └── #3 output +\+{spent} +"rested"',
            rf'└── #6 output +\+{spent} +"hello Ada, rested"',
        ],
        tree,
        strict=True,
    ):
        assert re.fullmatch(pattern, line), f"{line!r} is not like {pattern!r}"
    slept = re.search(r"pause +sleep +\S+ +took (\d+)ms", done.stdout)
    assert slept is not None
    assert 50 <= int(slept[1]) < 1000
    flat = engine.invocations("describe", greeted, "--depth", "0").stdout
    assert "pause" not in flat
    assert "Agent/nap" in flat


def test_describe_says_what_still_runs_and_how_it_failed(engine: Up) -> None:
    working, napping = engine.send("work", 60), engine.send("nap", 3600)
    failed = engine.call("fail", "no such city")
    time.sleep(0.3)  # not for luck: so that there is a duration to be told
    assert re.search(r"#1 work +run +\S+ +running for \d", engine.invocations("describe", working).stdout)
    assert re.search(
        r"#1 pause +sleep +\S+ +sleeps until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(in 59m\d\ds\)",
        engine.invocations("describe", napping).stdout,
    )
    told = engine.invocations("describe", failed).stdout
    assert re.search(r"failure +\[404\] no such city", told)
    assert re.search(r"#1 output +\S+ +failed: \[404\] no such city", told)


def test_describe_as_json_is_the_admin_apis_answer(engine: Up) -> None:
    greeted = engine.call("greet", "Ada")
    printed = json.loads(engine.invocations("describe", greeted, "--json").stdout)
    assert printed == httpx2.get(f"{engine.admin}/invocations/{greeted}").json()
    assert printed["journal"][1]["name"] == "call LLM"


def test_cancel_and_kill_end_what_runs(engine: Up) -> None:
    cancelled, killed = engine.send("nap", 60), engine.send("nap", 60)
    done = engine.invocations("cancel", cancelled)
    assert (done.returncode, done.stdout) == (0, f"cancel of {cancelled} accepted\n")
    engine.wait_for_status(cancelled, "completed")
    assert engine.invocations("kill", killed).returncode == 0
    engine.wait_for_status(killed, "completed")
    table = engine.invocations("list").stdout
    assert re.search(rf"{cancelled} +Agent/nap +failed .*\[409\] cancelled", table)
    assert re.search(rf"{killed} +Agent/nap +failed .*\[409\] killed", table)
    assert re.search(r"#\d cancel +signal +\+", engine.invocations("describe", cancelled).stdout)


def test_what_the_engine_refuses_is_its_own_line_and_exit_code_1(engine: Up) -> None:
    finished = engine.call("nap", 0)
    unknown = finished[:-6] + ("AAAAAA" if not finished.endswith("AAAAAA") else "BBBBBB")
    for arguments, told in (
        (["describe", unknown], "not found"),
        (["cancel", unknown], "not found"),
        (["kill", finished], "completed"),
        (["describe", "inv_tooShort"], "bad invocation id"),
    ):
        done = engine.invocations(*arguments)
        assert done.returncode == 1, arguments
        assert done.stderr.startswith("perdure: ")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


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


def test_a_web_server_that_is_no_engine_is_told_apart(perdure: Perdure, web_server: str, engine: Up) -> None:
    for address in (web_server, engine.ingress):
        done = perdure("invocations", "list", "--admin", address)
        assert done.returncode == 3
        assert "is not an engine's admin API" in done.stderr
        assert "is --admin the right address?" in done.stderr
