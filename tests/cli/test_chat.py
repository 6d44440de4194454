"""`perdure chat`: talked to over a pipe, its engine in the same process or another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import guide
import pytest
from child_process import PERDURE
from embedded_engine import EmbeddedEngine

SPOKEN = (
    '[weather({"city": "Oslo"})]\n[weather -> Oslo: 21 degrees]\n'
    "one two three four five six seven eight nine ten\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(guide.__file__, tmp_path)
    return tmp_path


def start(folder: Path, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PERDURE, "chat", *arguments],
        cwd=folder, env={**os.environ, **env}, bufsize=0,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def chat(folder: Path, lines: str, *arguments: str) -> tuple[str, str, int]:
    """(standard output, standard error, exit code) of a chat to its end."""
    process = start(folder, *arguments)
    try:
        out, err = process.communicate(lines.encode(), timeout=50)
    finally:
        process.kill()
    return out.decode(), err.decode(), process.returncode


def test_a_target_streams_its_answer_and_shows_its_tool_calls(folder: Path) -> None:
    out, err, code = chat(folder, "Weather?\n\nAgain?", "guide.py", "--key", "ada")
    assert (out, code) == (SPOKEN * 2, 0)
    assert err.startswith("Guide/ask, --key ada at http://127.0.0.1:")
    assert err.count("\n") == 1, err
    assert (folder / "perdure-data").is_dir()


def test_a_handler_that_does_not_stream_shows_its_output(folder: Path) -> None:
    out, err, code = chat(folder, "hello\n", "guide.py:both", "--service", "Plain")
    assert (out, code) == ("HELLO\n", 0)
    assert err.startswith("Plain/shout at ")


def test_a_turn_that_fails_is_told_and_the_chat_goes_on(folder: Path) -> None:
    out, _, code = chat(folder, "fail\nhello\n", "guide.py:both", "--service", "Plain")
    assert (out, code) == ("failed (422): out of breath\nHELLO\n", 1)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("guide.py:both",), "several handlers take a text: Guide/ask, Plain/shout; choose"),
        (("guide.py", "--service", "Gide"), "; there is: Guide/ask"),
        (("gide.py",), "did you mean guide.py?"),
        (("127.0.0.1:1",), "nothing answers at http://127.0.0.1:1: "),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(folder: Path, arguments: tuple[str, ...], line: str) -> None:
    out, err, code = chat(folder, "", *arguments)
    assert out == ""
    assert line in err
    assert err.count("\n") == 1
    assert code in (2, 3)


@pytest.fixture
async def engine(folder: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(str(folder / "guide.py"), folder, env={"PACE_S": "0.3"})
    await engine.start()
    yield engine
    engine.kill()


def until_said(process: subprocess.Popen[bytes], words: str) -> str:
    """What it has printed once these words are among it."""
    assert process.stdout is not None
    said = ""
    while words not in said:
        part = process.stdout.read(100)  # what there is: the pipe is not buffered
        assert part, f"it ended after {said!r}"
        said += part.decode()
    return said


@pytest.mark.crash
@pytest.mark.anyio
async def test_the_engine_is_killed_under_it_and_the_answer_is_whole(
    folder: Path, engine: EmbeddedEngine
) -> None:
    process = start(folder, engine.ingress_url)
    try:
        assert process.stdin is not None
        process.stdin.write(b"Weather?\n")
        said = until_said(process, "three")
        await engine.restart()
        rest, _ = process.communicate(timeout=40)
    finally:
        process.kill()
    assert said + rest.decode() == SPOKEN, "the model says the same again, so nothing is printed twice"


@pytest.mark.anyio
async def test_ctrl_c_leaves_the_chat_and_the_run_goes_on(folder: Path, engine: EmbeddedEngine) -> None:
    from perdure.client import Client

    process = start(folder, engine.ingress_url)
    try:
        assert process.stdin is not None
        process.stdin.write(b"Weather?\n")
        until_said(process, "two")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 5
    finally:
        process.kill()
    assert process.returncode == 130
    invocation = err.decode().splitlines()[-1].removeprefix("the run goes on: ")
    async with Client(engine.ingress_url) as client:
        assert await client.attach(invocation) == SPOKEN.splitlines()[-1]
