"""The command itself: quick help, mistakes told in one line, exit codes that mean something."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer

from perdure.cli.main import app

Perdure = Callable[..., "subprocess.CompletedProcess[str]"]

# What a command that needs none of them must not wait for.
HEAVY = ("agents", "restate", "granian", "pyqwest", "starlette", "uvicorn", "sqlite3", "perdure.engine")


def test_version_names_what_is_installed(perdure: Perdure) -> None:
    done = perdure("version")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == [
        f"perdure {version('perdure')}",
        f"restate-sdk {version('restate-sdk')}",
    ]


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "perdure", "version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("perdure ")


def test_help_lists_every_command(perdure: Perdure) -> None:
    done = perdure("--help")
    assert done.returncode == 0
    for command in ("up", "engine", "serve", "doctor", "invocations", "backup", "vacuum", "version"):
        assert f"│ {command} " in done.stdout


def test_every_help_has_an_example_that_begins_with_the_command() -> None:
    def commands(group: Any, words: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{words} {name}")
            elif not command.hidden:
                yield f"{words} {name}", command

    found = dict(commands(typer.main.get_command(app), "perdure"))
    assert len(found) > 30
    for words, command in found.items():
        assert f"Example: {words}" in command.help, words


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["up", "--help"], ["invocations", "--help"]])
def test_what_prints_a_few_lines_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "perdure", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported, "importtime tells nothing: the test would pass for any import"
    assert imported.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["up", "serve"])
@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("agnet.py", "did you mean agent.py?"),
        ("agnet:app", "did you mean agent?"),
        ("agent.py:nothing", "write agent.py:app"),
        ("agent.py:service", "add `app = restate.app([service])`"),
        ("broken.py", "broken.py raised at broken.py:2: ZeroDivisionError: division by zero"),
        ("other.py", "other.py:app cannot be served: the app did not answer discovery: "),
    ],
)
def test_a_target_that_cannot_be_served_is_one_line(
    perdure: Perdure, folder, command: str, target: str, told: str
) -> None:
    (folder / "broken.py").write_text("import restate\n1 / 0\n")
    (folder / "other.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 404, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b''})\n"
    )
    addresses = ["--bind", "127.0.0.1:0"] if command == "serve" else ["--ingress", "127.0.0.1:0"]
    done = perdure(command, target, *addresses)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.startswith("perdure: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_whole_traceback_is_there_for_who_asks(perdure: Perdure, folder) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    for command in ("up", "serve"):
        done = perdure(command, "broken.py", PERDURE_TRACEBACK="1")
        assert 'broken.py", line 1, in <module>' in done.stderr
        assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up", "agent.py", "--ingress", "8080"], "--ingress '8080' is not an address: write host:port"),
        (["up", "agent.py", "--admin", "host:99999"], "--admin 'host:99999' is not an address"),
        (["serve", "agent.py", "--bind", "x:y"], "--bind 'x:y' is not an address"),
        (["invocations", "list", "--admin", "ftp://x"], "--admin 'ftp://x': write host:port or a URL"),
    ],
)
def test_an_address_that_is_none_names_its_option(perdure: Perdure, arguments: list[str], told: str) -> None:
    done = perdure(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"perdure: {told}")
    assert done.stderr.count("\n") == 1


def test_an_address_can_come_from_the_environment(perdure: Perdure) -> None:
    done = perdure("up", "agent.py", PERDURE_INGRESS="nonsense")
    assert done.stderr.startswith("perdure: --ingress 'nonsense' is not an address")


def test_unknown_words_are_usage_errors(perdure: Perdure) -> None:
    for arguments in (
        ["start"],
        ["up"],
        ["serve", "agent.py", "--workers", "0"],
        ["invocations", "list", "--status", "x"],
    ):
        assert perdure(*arguments).returncode == 2
