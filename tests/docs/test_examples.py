"""The pages about the examples, and the guide to the chat in the terminal, which uses one of them.

The weather agent finds no network and tells of a recorded day. The small model is not downloaded: its program
comes as far as the check of its weights. `make` only says what it would do.
"""

from __future__ import annotations

import json

import pytest
from free_port import free_port
from page_shell import PageShell, needs_pip
from pages import ROOT, page
from terminal import CTRL_D

EXAMPLES = page("examples/README.md", "weather cluster local_model approvals streaming demo")
CHAT_EXAMPLE = page("examples/chat/README.md", "talk")
CHAT = page("docs/guide/chat.md", "chat")

RECORDED = "recorded observation of 2016-01-15"


@pytest.fixture(autouse=True)
def _examples_in_the_folder(shell: PageShell) -> None:
    (shell.folder / "examples").symlink_to(ROOT / "examples")
    shell.environment["WEATHER_API_URL"] = f"http://127.0.0.1:{free_port()}"  # nobody listens


def test_the_weather_agent_answers(shell: PageShell) -> None:
    *_, answer = shell.run(EXAMPLES.weather)
    assert RECORDED in answer


@pytest.mark.restate
def test_the_weather_agent_answers_on_a_restate_server(shell: PageShell) -> None:
    *_, answer = shell.run(EXAMPLES.cluster)
    assert RECORDED in answer


@needs_pip
def test_the_small_models_program_checks_what_it_runs(shell: PageShell) -> None:
    weights = shell.folder / "perdure" / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    weights.parent.mkdir()
    weights.write_text("no weights")
    shell.environment |= {"XDG_CACHE_HOME": str(shell.folder), "PIP_NO_INDEX": "1", "PIP_DRY_RUN": "1"}
    installed, refused = shell.run(EXAMPLES.local_model, codes={"pip": 1, "python": 1})
    assert "No matching distribution found for xllamacpp" in installed
    assert "WrongChecksum" in refused


def test_a_refund_is_approved(shell: PageShell) -> None:
    asked = {"perdure approvals list": lambda: shell.until("perdure approvals list", "order")}
    shell.run(EXAMPLES.approvals, before=asked)
    shell.until("perdure invocations list --json", "180 euros for order 23 are on their way")


def test_a_story_is_streamed_and_the_demo_is_there(shell: PageShell) -> None:
    _, stream = shell.run(EXAMPLES.streaming)
    assert stream.count("event: text\n") > 0
    assert '"output":"a lighthouse"' in stream
    shell.run(EXAMPLES.demo)


def test_conversations_are_remembered_each_by_itself(shell: PageShell) -> None:
    _, _, ada, history, bob, _ = shell.run(CHAT_EXAMPLE.talk)
    assert json.loads(ada) == "My name is Ada. | What is my name?"
    assert len(json.loads(history)) == 4
    assert json.loads(bob) == "What is my name?"
    assert json.loads(shell.do("curl localhost:8080/Chat/ada/history")) == []


def test_the_terminal_talks_to_a_target_and_to_an_engine(shell: PageShell) -> None:
    def serve() -> None:
        shell.do("perdure up examples/chat/agent.py")

    here, there = shell.run(
        CHAT.chat,
        typed={"perdure chat examples": f"one\n{CTRL_D}", "perdure chat http": f"two\n{CTRL_D}"},
        before={"perdure chat http": serve},
    )
    assert "one" in here
    assert "one | two" in there
