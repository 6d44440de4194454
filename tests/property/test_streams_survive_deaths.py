"""Any program that publishes, any deaths: a stream has each event once, and of a step what its record says.

Hypothesis draws a program of nested gathers, races, sleeps and steps, some of which fail at first, all of
which publish; the order in which outcomes arrive; after which journal entries the process dies; and how often
the stream refuses a batch, or keeps it and loses the answer. What a reader has at the end is compared with
what the last attempt, which the journal proves right, says that it published.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_server import serve, value_of
from stream_log import StreamLog

from perdure import publish
from perdure.durable import RetryPolicy, step

STREAMS = ["default", "progress"]
UNTIL_IT_WORKS = RetryPolicy(attempts_max=9, initial_delay_ms=1, retryable=lambda _error: True)


@dataclass(frozen=True)
class Op:
    kind: str
    children: tuple[Op, ...] = ()
    number: int = 0


leaves = st.builds(
    Op, kind=st.sampled_from(["step", "thread", "failing", "sleep", "publish"]), number=st.integers(0, 3)
)


def branches(children: st.SearchStrategy[Op]) -> st.SearchStrategy[Op]:
    kinds = st.sampled_from(["sequence", "gather", "race"])
    return st.builds(Op, kind=kinds, children=st.lists(children, min_size=1, max_size=3).map(tuple))


programs = st.recursive(leaves, branches, max_leaves=7)


@dataclass
class Story:
    """What one attempt published and heard.

    run: (stream, n). steps: the number of the try that made each, and how many events it published.
    """

    run: list[tuple[str, int]]
    steps: dict[str, tuple[int, int]]

    def tell(self, stream: str) -> None:
        self.run.append((stream, len(self.run)))
        publish("told", {"n": self.run[-1][1]}, stream)


class Program:
    """Its tries are numbered through all attempts."""

    def __init__(self, op: Op) -> None:
        self._op = op
        self._tries = itertools.count()
        self._calls: Counter[str] = Counter()

    async def main(self) -> dict[str, Any]:
        story = Story([], {})
        await self._perform(self._op, "p", story)
        return {"run": story.run, "steps": story.steps}

    async def _perform(self, op: Op, path: str, story: Story) -> None:
        children = (self._perform(child, f"{path}.{at}", story) for at, child in enumerate(op.children))
        match op.kind:
            case "step" | "thread" | "failing":
                story.tell("default")
                number = await step(path, self._closure(op, path), retry=UNTIL_IT_WORKS)
                story.steps[path] = number, op.number
                story.tell("default")
            case "publish":
                for n in range(op.number):
                    story.tell(STREAMS[n % 2])
            case "sleep":
                await asyncio.sleep(op.number)
            case "sequence":
                for child in children:
                    await child
            case "gather":
                await asyncio.gather(*children)
            case "race":
                tasks = [asyncio.create_task(child) for child in children]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _closure(self, op: Op, path: str) -> Any:
        def speak(n: int, number: int) -> None:
            publish("said", {"step": path, "try": number, "n": n}, STREAMS[n % 2])

        async def act() -> int:
            number = next(self._tries)
            for n in range(op.number):
                speak(n, number)
                await asyncio.sleep(0)
            self._calls[path] += 1
            if op.kind == "failing" and self._calls[path] < 3:
                raise RuntimeError("at first")
            return number

        def act_in_thread() -> int:
            number = next(self._tries)
            for n in range(op.number):
                speak(n, number)
            return number

        return act_in_thread if op.kind == "thread" else act


@pytest.mark.timeout(300)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(op=programs, data=st.data())
def test_a_stream_has_each_event_once_and_of_each_step_what_its_record_says(
    op: Op, data: st.DataObject
) -> None:
    deaths = data.draw(st.sets(st.integers(2, 25), max_size=4), label="deaths")
    suspend = data.draw(st.booleans(), label="suspend at every await")
    log = StreamLog()
    log.failing = data.draw(st.lists(st.sampled_from(["", "before", "after"]), max_size=6), label="failing")

    async def check() -> None:
        server = serve(
            Program(op).main,
            sink=log.sink,
            break_after=deaths,
            suspend_always=suspend,
            choose=lambda names: data.draw(st.integers(0, len(names) - 1), label=str(names)),
        )
        story = value_of(await server.run())
        for stream in STREAMS:
            assert_told(log, stream, story)

    asyncio.run(check())


def assert_told(log: StreamLog, stream: str, story: dict[str, Any]) -> None:
    events = log.current(stream)
    told = [data["n"] for source, _, data in events if source == "run"]
    assert told == [n for name, n in story["run"] if name == stream]
    said = Counter(json.dumps(data) for kind, data in log.all(stream) if kind == "said")
    assert not said or max(said.values()) == 1
    for path, (number, published) in story["steps"].items():
        counting = [data for _, kind, data in events if kind == "said" and data["step"] == path]
        ns = [n for n in range(published) if STREAMS[n % 2] == stream]
        assert counting == [{"step": path, "try": number, "n": n} for n in ns]
