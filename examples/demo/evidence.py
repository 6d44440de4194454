"""What the demo claims at its end, and whether it is so: counted calls against recorded steps."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .counting_proxy import Call, CountingProxy

MODEL_STEP = "call LLM"


@dataclass(frozen=True)
class Run:
    """A finished run: its answer, its recorded steps by name, and what its tools told the model."""

    answer: str
    steps: Sequence[str]
    told: Sequence[str]

    @property
    def temperatures(self) -> list[int]:
        """The numbers that get_weather gave the model."""
        return [int(number) for told in self.told for number in re.findall(r"temperature_c\W+?(-?\d+)", told)]

    def holds_its_numbers(self) -> bool:
        """Whether each temperature stands in the answer as one: 3 is not in 31°C, nor in a date."""
        said = [int(number) for number in re.findall(r"(\d+)\s*(?:°|degrees?\b|C\b)", self.answer)]
        return bool(self.temperatures) and all(abs(degrees) in said for degrees in self.temperatures)


class Evidence:
    """The counts of the two proxies and the journals of the two runs, filled in as the demo goes."""

    def __init__(self, model: CountingProxy, weather: CountingProxy) -> None:
        self.model, self.weather = model, weather
        self.first = self.second = Run("", [], [])
        self.steps_at_kill: Sequence[str] = []
        self._tool_calls_in_first = self._tool_calls_at_kill = 0

    def first_finished(self, answer: str, steps: Sequence[str]) -> None:
        """The first run is over; nothing of the second has been counted yet."""
        self.first = Run(answer, steps, told_to_the_model(self.model.calls[-1]))
        self._tool_calls_in_first = len(self.weather.calls)

    def killed(self, steps: Sequence[str]) -> None:
        """The process of the second run is dead, and these steps were recorded."""
        self.steps_at_kill = steps
        self._tool_calls_at_kill = len(self.weather.calls)

    def second_finished(self, answer: str, steps: Sequence[str]) -> None:
        """The second run is over."""
        self.second = Run(answer, steps, told_to_the_model(self.model.calls[-1]))

    @property
    def tool_calls_repeated(self) -> int:
        """How often a tool was called again although the journal had its result.

        While nobody is killed each call becomes one step, so what was called beyond the steps that it gave
        was a repetition. The calls under way at the kill gave no step, and are not counted as one.
        """
        in_first = self._tool_calls_in_first - _tool_steps(self.first.steps)
        after_kill = len(self.weather.calls) - self._tool_calls_at_kill
        return in_first + after_kill - (_tool_steps(self.second.steps) - _tool_steps(self.steps_at_kill))

    def untrue(self) -> list[str]:
        """Each claim that the evidence does not bear out; empty if the demo showed what it promised."""
        answered = sum(call.answered for call in self.model.calls)
        recorded = [*self.first.steps, *self.second.steps].count(MODEL_STEP)
        died = sum(call.caller_died for call in self.weather.calls)
        model_repeats, tool_repeats = len(self.model.repeated()), self.tool_calls_repeated
        before, after = self.steps_at_kill, self.second.steps
        claims = {
            f"the first answer holds the tool's {self.first.temperatures}": self.first.holds_its_numbers(),
            f"the second answer holds the tool's {self.second.temperatures}": self.second.holds_its_numbers(),
            f"one caller of the weather service died while it waited (counted: {died})": died == 1,
            f"the journal at the kill, {before}, is how the finished one begins: {after}": (
                0 < len(before) < len(after) and after[: len(before)] == before
            ),
            f"{answered} answered model calls are {recorded} recorded steps": answered == recorded > 0,
            f"no model call was repeated (counted: {model_repeats})": model_repeats == 0,
            f"no recorded tool call was repeated (counted: {tool_repeats})": tool_repeats == 0,
        }
        return [claim for claim, is_so in claims.items() if not is_so]

    def summary(self) -> list[str]:
        """The demo's last lines."""
        return [
            f"answered: {' '.join(self.second.answer.split())}",
            f"killed with SIGKILL after {len(self.steps_at_kill)} journaled steps; resumed; finished",
            f"model calls: {len(self.model.calls)} made, {len(self.model.repeated())} repeated",
            f"tool calls:  {len(self.weather.calls)} made, "
            f"{self.tool_calls_repeated} repeated after being recorded",
        ]


def told_to_the_model(call: Call) -> list[str]:
    """The results of tools in the body of a chat completions request, as the model reads them."""
    return [message["content"] for message in json.loads(call.body)["messages"] if message["role"] == "tool"]


def _tool_steps(steps: Sequence[str]) -> int:
    return sum(step != MODEL_STEP for step in steps)
