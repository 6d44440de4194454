"""The data directory under the commands: backup, vacuum, and a file of a newer perdure."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

ANY_PORT = ("--ingress", "127.0.0.1:0", "--admin", "127.0.0.1:0")


def ingress_of(server) -> str:
    banner = server.wait_for_output("admin ")
    found = re.search(r"ingress\s+(\S+)", banner)
    assert found is not None
    return found[1]


def test_a_running_engine_is_backed_up_and_the_copy_goes_on_where_it_was(
    perdure, start_perdure, folder: Path
) -> None:
    engine = start_perdure("up", "agent.py", *ANY_PORT)
    ingress = ingress_of(engine)
    answer = httpx2.post(f"{ingress}/Agent/greet", json="Ada", headers={"idempotency-key": "7"}, timeout=20)
    napping = httpx2.post(f"{ingress}/Agent/nap/send", json=1.5, timeout=20).json()["invocationId"]

    done = perdure("backup", "copy.sqlite")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"copy\.sqlite  [\d.]+ KiB\n", done.stdout)
    engine.kill()

    (folder / "restored").mkdir()
    (folder / "copy.sqlite").rename(folder / "restored" / "perdure.sqlite")
    restored = start_perdure("up", "agent.py", *ANY_PORT, "--data-dir", "restored")
    ingress = ingress_of(restored)
    again = httpx2.post(f"{ingress}/Agent/greet", json="Eve", headers={"idempotency-key": "7"}, timeout=20)
    assert again.json() == answer.json() == "hello Ada, rested"
    assert httpx2.get(f"{ingress}/restate/attach/{napping}", timeout=20).json() == "rested"


def test_a_backup_overwrites_nothing(perdure, start_perdure, folder: Path) -> None:
    start_perdure("up", "agent.py", *ANY_PORT).wait_for_output("admin ")
    (folder / "copy").write_text("precious")

    done = perdure("backup", "copy")

    assert done.returncode == 2
    assert done.stderr == "perdure: copy exists: a backup overwrites nothing, name another file\n"
    assert (folder / "copy").read_text() == "precious"


def test_vacuum_is_for_an_engine_that_is_stopped(perdure, start_perdure) -> None:
    engine = start_perdure("up", "agent.py", *ANY_PORT)
    engine.wait_for_output("admin ")

    refused = perdure("vacuum")
    assert refused.returncode == 2
    assert re.fullmatch(
        r"perdure: another engine \(process \d+\) has .* open: stop it, or .*\n", refused.stderr
    )

    assert engine.stop(signal.SIGTERM) == 0
    done = perdure("vacuum")
    assert done.returncode == 0
    assert re.fullmatch(r"perdure-data  [\d.]+ KiB before, [\d.]+ KiB after\n", done.stdout)


@pytest.mark.parametrize("command", [("vacuum",), ("backup", "copy")])
def test_where_there_is_no_data_the_option_is_named(perdure, folder: Path, command: tuple[str, ...]) -> None:
    done = perdure(*command)

    assert done.returncode == 2
    assert done.stderr == (
        "perdure: no data in perdure-data: name the engine's data directory with --data-dir\n"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["agent.py"]


@pytest.mark.parametrize("command", [("up", "agent.py", *ANY_PORT), ("engine", *ANY_PORT), ("vacuum",)])
def test_a_file_of_a_newer_perdure_is_left_alone(perdure, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "perdure-data").mkdir()
    path = folder / "perdure-data" / "perdure.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")

    done = perdure(*command)

    assert done.returncode == 2
    assert done.stderr.startswith("perdure: this data directory has format 999, and this version of perdure")
    assert "run the newer perdure that wrote it, or use another --data-dir" in done.stderr
    assert done.stderr.count("\n") == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (999,)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("--cors-origin", "http://a.test", "--cors-origin", "http://b.test"), {}),
        ((), {"PERDURE_CORS_ORIGINS": "http://a.test http://b.test"}),
    ],
)
def test_web_pages_are_named_by_option_or_environment(start_perdure, arguments, environment) -> None:
    ingress = ingress_of(start_perdure("up", "agent.py", *ANY_PORT, *arguments, **environment))
    for origin, allowed in (("http://b.test", "http://b.test"), ("http://c.test", None)):
        answer = httpx2.get(f"{ingress}/restate/health", headers={"origin": origin}, timeout=20)
        assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("option", ["--concurrency", "--journal-mib-max"])
def test_a_limit_of_nothing_is_a_mistake(perdure, option: str) -> None:
    done = perdure("up", "agent.py", option, "0")
    assert done.returncode == 2
    assert option in done.stderr
