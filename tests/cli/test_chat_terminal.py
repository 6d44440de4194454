"""`perdure chat` at a real terminal: what a person sees, types, and is left with."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import guide
import pytest
from child_process import PERDURE
from embedded_engine import EmbeddedEngine
from terminal import CTRL_C, CTRL_D, Terminal

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]

WORDS = "one two three four five six seven eight nine ten"
PROMPT = "> "


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(guide.__file__, tmp_path_factory.mktemp("chat"), env={"PACE_S": "0.2"})
    await engine.start()
    yield engine
    engine.kill()


def chat(directory: Path, *arguments: str) -> Terminal:
    return Terminal([PERDURE, "chat", *arguments], directory)


async def test_a_conversation(tmp_path: Path, engine: EmbeddedEngine) -> None:
    with chat(tmp_path, engine.ingress_url, "--key", "ada") as terminal:
        terminal.until(f"Guide/ask, --key ada at {engine.ingress_url}; Ctrl-C leaves\n{PROMPT}")
        terminal.type("Weather?\n")
        terminal.until('Weather?\n[weather({"city": "Oslo"})]\n[weather -> Oslo: 21 degrees]\n')
        began = time.monotonic()
        terminal.until("one ")
        terminal.until("ten")
        assert time.monotonic() - began > 1, "its words come while they are said, 0.2 s apart"
        terminal.until(f"\n{PROMPT}")
        terminal.type("\n")
        terminal.until(f"\n{PROMPT}")
        terminal.type("Again?\n")
        shown = terminal.until(f"{WORDS}\n{PROMPT}")
        assert shown.count(WORDS) == 2, "an empty line is no message"
        terminal.type(CTRL_D)
        assert terminal.end() == 0
        assert terminal.is_as_it_was()


async def test_a_target_is_talked_to_like_an_engine(tmp_path: Path) -> None:
    with chat(tmp_path, guide.__file__) as terminal:
        terminal.until(PROMPT)
        terminal.type("Weather?\n")
        terminal.until(f"{WORDS}\n{PROMPT}")
        terminal.type(CTRL_D)
        assert terminal.end() == 0
        assert terminal.is_as_it_was()


@pytest.mark.parametrize(("key", "code"), [(CTRL_D, 0), (CTRL_C, 130)])
async def test_leaving_at_the_prompt(tmp_path: Path, engine: EmbeddedEngine, key: str, code: int) -> None:
    with chat(tmp_path, engine.ingress_url) as terminal:
        terminal.until(PROMPT)
        terminal.type(key)
        assert terminal.end() == code
        assert terminal.is_as_it_was()
        assert terminal.shown.endswith("\n"), "the shell's prompt stands at the beginning of a line"
        assert "Traceback" not in terminal.shown


async def test_leaving_half_a_line(tmp_path: Path, engine: EmbeddedEngine) -> None:
    with chat(tmp_path, engine.ingress_url) as terminal:
        terminal.until(PROMPT)
        terminal.type(f"never mind{CTRL_C}")
        assert terminal.end() == 130
        assert terminal.shown.endswith("\n")
        assert "Oslo" not in terminal.shown, "it is not sent"


async def test_leaving_while_it_answers(tmp_path: Path, engine: EmbeddedEngine) -> None:
    with chat(tmp_path, engine.ingress_url) as terminal:
        terminal.until(PROMPT)
        terminal.type("Weather?\n")
        terminal.until("two")
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert terminal.is_as_it_was()
        assert re.search(r"\nthe run goes on: inv_\w+\n$", terminal.shown)


@pytest.mark.crash
async def test_the_engine_is_restarted_under_it(tmp_path: Path, engine: EmbeddedEngine) -> None:
    with chat(tmp_path, engine.ingress_url) as terminal:
        terminal.until(PROMPT)
        engine.kill()  # at the prompt
        terminal.type("Weather?\n")
        await engine.start()
        terminal.until("three")
        await engine.restart()  # in the middle of an answer
        shown = terminal.until(f"\n{PROMPT}", timeout_s=50)
        assert shown.count(WORDS) == 1, "nothing twice, and nothing lost"
        terminal.type(CTRL_D)
        assert terminal.end() == 0


async def test_what_is_typed_and_said_is_text(tmp_path: Path, engine: EmbeddedEngine) -> None:
    with Terminal([PERDURE, "chat", f"{guide.__file__}:both", "--service", "Plain"], tmp_path) as terminal:
        terminal.until(PROMPT)
        terminal.type("grüße, 世界 👩‍🚀\n")
        terminal.until(f"\nGRÜSSE, 世界 👩‍🚀\n{PROMPT}")
        terminal.type("\x1b]0;evil\x07 \u202e\n")
        terminal.until(f"\n␛]0;EVIL␇ ␦\n{PROMPT}")  # nothing that is said sets the terminal's title
        terminal.type("oops\x7f\x7f\x7f\x7ffail\n")  # corrected before it is sent
        terminal.until("failed (422): out of breath\n> ")
        terminal.type(CTRL_D)
        assert terminal.end() == 1, "a run failed"
