"""The guide to the command line: one sees what it shows, and it tells all fields that programs read."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from page_shell import PageShell
from page_words import HOME
from pages import ROOT, page, page_paths, tokens
from typer.main import get_command

from perdure.cli.main import app
from perdure.inspection.deployments import Deployment, Service
from perdure.inspection.event_log import Event
from perdure.inspection.records import AttemptFailure, Invocation, Step

CLI = page(
    "docs/guide/cli.md",
    "synopsis mistakes up reload remote serve list describe watch verbs deployments state sql logs json",
)
RUNNING, FAILED, NAP, DONE, DEPLOYMENT = (
    "inv_159NG8qsBuo44eApPzDh3nF5BMyYhj2cQV",
    "inv_14nFulHWES5236OHFsdaQ5OMKIMoJe9zPz",
    "inv_1j2e3Uqw12xA4KEx4wXY8sQRKIOc2CzPKa",
    "inv_1aeyhOK5cIqW5H8NAD2jfPT5GUQWKQ3Rdv",
    "dp_17xkNaMHRaK9hmC5VYQ8GJw",
)
YES = "y\n"
TEXT = (ROOT / CLI.up.path).read_text()
COMMAND: Any = get_command(app)


def names(record: type) -> set[str]:
    return {field.name for field in dataclasses.fields(record)}  # type: ignore[arg-type]


def told(beginning: str) -> set[str]:
    """The words in backticks between this and the next full stop before a blank line or a new sentence."""
    text = TEXT[TEXT.index(beginning) :]
    return set(re.findall(r"`([a-z_]+)`", re.split(r"\.\n\n|\. A failure", text)[0]))


def test_an_invocation_and_a_failure_are_told_whole() -> None:
    assert told("An invocation: ") == names(Invocation) | {"state"}
    assert told("A failure: ") == names(AttemptFailure)


def test_of_a_step_only_what_there_is() -> None:
    assert told("A step: ") <= names(Step)


@pytest.mark.parametrize(
    ("row", "record", "more"),
    [
        ("| `services list`", Service, set()),
        ("| `deployments list`", Deployment, {"unfinished_invocations"}),
        ("| `logs`", Event, set()),
    ],
)
def test_rows_are_told_whole(row: str, record: type, more: set[str]) -> None:
    line = TEXT[TEXT.index(row) :].partition("\n")[0]
    shape = line[line.index("{") : line.rindex("}")]
    assert set(re.findall(r"\"([a-z_]+)\"", shape)) == names(record)
    assert more <= set(re.findall(r"`([a-z_]+)`", line))


def understood(words: Sequence[str]) -> tuple[str, ...]:
    """The command that these words call. Fails at a word that is none, and at an option that it has not."""
    command, path = COMMAND, []
    for word in words:
        if word.startswith("-"):
            options = {option for param in command.params for option in param.opts} | {"-h", "--help"}
            assert word.partition("=")[0] in options, f"no {word}: {words}"
        elif hasattr(command, "commands"):
            assert word in command.commands, f"no {word}: {words}"
            command = command.commands[word]
            path.append(word)
    return tuple(path)


def test_the_synopsis_has_every_command_and_no_other() -> None:
    told = set()
    for line in filter(None, CLI.synopsis.text.splitlines()):
        _, group, *words = re.sub(r"[\[\]]", "", line.partition("  ")[0]).split()
        verbs = words[0].split("|") if words else [""]
        told |= {understood([group, *filter(None, [verb]), *words[1:]]) for verb in verbs}
    there = {
        (name, *filter(None, [verb]))
        for name, command in COMMAND.commands.items()
        if not command.hidden
        for verb in getattr(command, "commands", [""])
    }
    assert told == there


def test_what_pages_name_in_passing_exists() -> None:
    """Commands with their options in running text, and variables of the environment."""
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    wrong = []
    for path in page_paths():
        for block in tokens(path):
            for token in block.children or []:
                if token.type != "code_inline":
                    continue
                if token.content.startswith("perdure "):
                    understood(shlex.split(token.content)[1:])
                wrong += [
                    f"{path}: {name}"
                    for name in re.findall(r"\bPERDURE_\w+", token.content)
                    if name not in sources
                ]
    assert not wrong


@pytest.fixture
def agent(shell: PageShell) -> Path:
    """The page's agent.py."""
    shell.environment["PYTHONPATH"] = str(ROOT / "tests" / "support")
    return Path(shutil.copy(Path(__file__).with_name("travel_agent.py"), shell.folder / "agent.py"))


@pytest.fixture
def running(shell: PageShell, agent: Path) -> PageShell:
    shell.do("perdure up agent.py")
    return shell


def send(shell: PageShell, target: str, body: object) -> str:
    """The id of an invocation that has begun."""
    answer = shell.do(f"curl localhost:8080/{target}/send --json '{json.dumps(body)}'")
    return str(json.loads(answer)["invocationId"])


def test_each_mistake_is_one_line(shell: PageShell, agent: Path) -> None:
    """Which no command starts after."""
    code = agent.read_text()
    failing = "\n" * 11 + 'import os; os.environ["OPENAI_MODEL"]'
    nameless = 'import restate\n\nservice = restate.Service("Agent")\n'
    said = ""
    for text, target in (
        (code, "agnet.py"),
        (failing, "agent.py"),
        (nameless, "agent.py"),
        (nameless, "agent.py:service"),
    ):
        agent.write_text(text)
        said += shell.do(f"perdure up {target}", code=2)
    assert said.replace(str(shell.folder), HOME) == CLI.mistakes.text


def test_up_resumes(running: PageShell) -> None:
    send(running, "Agent/nap", 1000)
    running.run(CLI.up)


def test_up_reloads(shell: PageShell) -> None:
    agent = shell.folder / "agent.py"

    def save_twice() -> None:
        shell.wait_until_it_says("try ")
        shell.do("curl -X POST localhost:8080/Agent/wait/send")
        agent.write_text(code.replace("return message", "return message.upper()"))
        shell.wait_until_it_says("reloaded")
        agent.write_text("\n" * 11 + "print(")

    agent.write_text(code := Path(__file__).with_name("waiting_agent.py").read_text())
    shell.run(CLI.reload, then=save_twice)


def test_an_engine_alone_and_handlers_beside_it(shell: PageShell, agent: Path) -> None:
    shell.do("perdure engine")
    shell.run(CLI.remote)
    shell.run(CLI.serve)
    shell.run(CLI.deployments)
    assert shell.do("perdure deployments list --json") == "[]\n"


def test_invocations_are_listed_described_watched_and_ended(running: PageShell) -> None:
    running.do("curl localhost:8080/Agent/run --json '\"Ada\"'")
    failed = send(running, "Agent/run", "Nowhere")
    running.until(f"perdure invocations describe {failed}", "failed")
    waits = send(running, "Agent/nap", 1000)
    running.until(f"perdure invocations describe {waits}", "pause")
    (listed,) = running.run(CLI.list)
    assert [line.split()[0] for line in listed.splitlines()[1:3]] == [waits, failed]
    done = listed.splitlines()[-1].split()[0]
    running.words.known |= {RUNNING: waits, DONE: done}
    running.run(CLI.describe)

    (running.folder / "deploy").write_text("#!/bin/sh\necho deployed\n")
    (running.folder / "deploy").chmod(0o755)
    running.do(f"export PATH=.:$PATH ID={done}")
    (watched,) = running.run(CLI.watch)
    assert watched.endswith("deployed\n")

    def paused() -> None:
        other = send(running, "Agent/nap", 1000)
        running.until(f"perdure invocations describe {other}", "pause")
        running.do(f"perdure invocations pause {other}")
        running.until("perdure invocations list --status paused", other)

    cancelled, resumed, restarted, purged = running.run(
        CLI.verbs, before={"perdure invocations resume": paused}, typed={"perdure invocations resume": YES}
    )
    assert "accepted" in cancelled
    assert "accepted" in resumed
    assert f"restart of {done} is inv_" in restarted
    assert purged == "no invocation to purge matches\n"


def test_state_is_read_and_edited(running: PageShell) -> None:
    running.do('curl localhost:8080/Conversation/ada/note --json \'{"history": [1, 2], "draft": "Hi"}\'')
    *_, everything, history, _, _, _ = running.run(CLI.state, typed={"perdure state clear": YES})
    assert "draft" in everything
    assert history == "[1, 2]\n"
    assert "Conversation" not in running.do("perdure state list")


def test_what_happened_is_asked_by_sql_and_read_as_a_log(running: PageShell) -> None:
    (running.folder / "report.sql").write_text("SELECT target FROM sys_invocation")
    running.do("curl localhost:8080/Agent/run --json '\"Luke\"'")
    asked, _ = running.run(CLI.sql)
    assert "Agent/run  1" in asked
    assert (running.folder / "report.csv").read_text() == "target\nAgent/run\n"
    running.run(CLI.logs)


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_failures_are_told_to_another_program(running: PageShell) -> None:
    failed = send(running, "Agent/run", "Nowhere")
    running.until("perdure invocations list --status failed", failed)
    (told,) = running.run(CLI.json)
    assert told == f"{failed}\t[404] no such city\n"
