"""The demo's last lines are true, or the demo says which of them is not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from examples.demo.counting_proxy import Call, CountingProxy
from examples.demo.evidence import Evidence

STEPS = ["call LLM", "get_weather", "call LLM"]
TRUE_STORY = [
    "answered: 30 degrees in Tampa",
    "killed with SIGKILL after 1 journaled steps; resumed; finished",
    "model calls: 4 made, 0 repeated",
    "tool calls:  3 made, 0 repeated after being recorded",
]


class Story:
    """The counts and journals of a demo, told event by event."""

    def __init__(self, model: CountingProxy, weather: CountingProxy) -> None:
        self.model, self.weather = model, weather
        self.evidence = Evidence(model, weather)

    def model_call(self, city: str, degrees: int | None = None) -> None:
        told = [] if degrees is None else [{"role": "tool", "content": str({"temperature_c": degrees})}]
        body = json.dumps({"messages": [{"role": "user", "content": city}, *told]}).encode()
        self.model.calls.append(Call("/chat/completions", body, digest=body.hex(), answered=True))

    def tool_call(self, *, caller_died: bool = False) -> None:
        self.weather.calls.append(Call("/v1/search", b"", "", not caller_died, caller_died))

    def first_run(self, answer: str = "3°C in Detroit") -> None:
        self.model_call("Detroit")
        self.tool_call()
        self.model_call("Detroit", 3)
        self.evidence.first_finished(answer, STEPS)

    def killed_while_the_tool_runs(self) -> None:
        self.model_call("Tampa")
        self.tool_call(caller_died=True)
        self.evidence.killed(STEPS[:1])

    def resumed(self, answer: str = "30 degrees\nin Tampa") -> None:
        self.tool_call()
        self.model_call("Tampa", 30)
        self.evidence.second_finished(answer, STEPS)


@pytest.fixture
def story() -> Iterator[Story]:
    with CountingProxy({}, []) as model, CountingProxy({}, []) as weather:
        yield Story(model, weather)


def test_true_story(story: Story) -> None:
    story.first_run()
    story.killed_while_the_tool_runs()
    story.resumed()
    assert story.evidence.untrue() == []
    assert story.evidence.summary() == TRUE_STORY


@pytest.mark.parametrize("answer", ["31 degrees", "300 °C", "31°C (on 30 July)", "it is hot"])
def test_answer_without_the_number_that_the_tool_gave(story: Story, answer: str) -> None:
    story.first_run()
    story.killed_while_the_tool_runs()
    story.resumed(answer)
    assert story.evidence.untrue() == ["the second answer holds the tool's [30]"]


def test_frost_may_be_told_without_a_minus_sign(story: Story) -> None:
    story.first_run()
    story.killed_while_the_tool_runs()
    story.tool_call()
    story.model_call("Tampa", -7)
    story.evidence.second_finished("7 degrees below zero", STEPS)
    assert story.evidence.untrue() == []


def test_model_call_that_was_paid_for_twice(story: Story) -> None:
    story.first_run()
    story.killed_while_the_tool_runs()
    story.model_call("Tampa")
    story.resumed()
    assert story.evidence.untrue() == [
        "5 answered model calls are 4 recorded steps",
        "no model call was repeated (counted: 1)",
    ]
    assert story.evidence.summary()[2] == "model calls: 5 made, 1 repeated"


def test_tool_that_ran_again_after_it_was_recorded(story: Story) -> None:
    story.first_run()
    story.killed_while_the_tool_runs()
    story.tool_call()
    story.resumed()
    assert story.evidence.untrue() == ["no recorded tool call was repeated (counted: 1)"]
    assert story.evidence.summary()[3] == "tool calls:  4 made, 1 repeated after being recorded"


def test_kill_that_missed_the_tool(story: Story) -> None:
    story.first_run()
    story.model_call("Tampa")
    story.evidence.killed(STEPS[:1])
    story.resumed()
    assert story.evidence.untrue() == ["one caller of the weather service died while it waited (counted: 0)"]


def test_journal_that_lost_what_it_had_at_the_kill(story: Story) -> None:
    story.first_run()
    story.killed_while_the_tool_runs()
    story.tool_call()
    story.model_call("Tampa", 30)
    story.evidence.second_finished("30 C", STEPS[1:])
    assert any(claim.startswith("the journal at the kill") for claim in story.evidence.untrue())
