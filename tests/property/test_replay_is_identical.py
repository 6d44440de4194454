"""Any asyncio program, any order of outcomes, cut anywhere: the replay takes the same way to the same end.

Hypothesis draws a program of nested gathers, timeouts, races, queues, sleeps and steps, and the order in
which outcomes arrive. It runs once. Then, for a cut after any journal entry, a new process resumes from the
journal up to there, gets the remaining outcomes in the order of the first run, and must leave the very same
journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_server import JournalServer, serve

from perdure.durable import step
from perdure.protocol import messages
from perdure.protocol.frames import Frame


@dataclass(frozen=True)
class Op:
    kind: str
    children: tuple[Op, ...] = ()
    number: int = 0


leaves = st.builds(Op, kind=st.sampled_from(["step", "sleep", "yield"]), number=st.integers(1, 9))


def branches(children: st.SearchStrategy[Op]) -> st.SearchStrategy[Op]:
    kinds = st.sampled_from(["sequence", "gather", "race", "timeout", "group", "pipeline"])
    return st.builds(
        Op,
        kind=kinds,
        children=st.lists(children, min_size=1, max_size=3).map(tuple),
        number=st.integers(1, 9),
    )


programs = st.recursive(leaves, branches, max_leaves=7)


async def perform(op: Op, path: str, trace: list[str]) -> str:
    trace.append(f"enter {path}")
    children = [(child, f"{path}.{at}") for at, child in enumerate(op.children)]
    try:
        match op.kind:
            case "step":

                async def act() -> str:
                    return path

                await step(path, act)
            case "sleep":
                await asyncio.sleep(op.number)
            case "yield":
                await asyncio.sleep(0)
            case "sequence":
                for child, name in children:
                    await perform(child, name, trace)
            case "gather":
                await asyncio.gather(*(perform(child, name, trace) for child, name in children))
            case "race":
                tasks = {asyncio.create_task(perform(child, name, trace)) for child, name in children}
                done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                trace.extend(task.result() for task in done)
                for task in pending:
                    task.cancel()
            case "timeout":
                try:
                    async with asyncio.timeout(op.number):
                        for child, name in children:
                            await perform(child, name, trace)
                except TimeoutError:
                    trace.append(f"timeout {path}")
            case "group":
                async with asyncio.TaskGroup() as group:
                    for child, name in children:
                        group.create_task(perform(child, name, trace))
            case "pipeline":
                queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)

                async def produce() -> None:
                    for child, name in children:
                        await queue.put(await perform(child, name, trace))

                async with asyncio.TaskGroup() as group:
                    group.create_task(produce())
                    for _ in children:
                        trace.append(await queue.get())  # noqa: PERF401 - one at a time is the point
    finally:
        trace.append(f"leave {path} at {asyncio.get_running_loop().time()}")
    return path


def program(op: Op, trace: list[str]) -> Any:
    async def main() -> list[str]:
        trace.clear()
        await perform(op, "p", trace)
        return list(trace)

    return main


def outcome_names(journal: Sequence[Frame]) -> list[str]:
    names = []
    for frame in journal:
        if messages.is_notification(frame.type):
            notification = messages.decode_message(frame.type, frame.payload)
            kind = "sleep" if messages.type_name(frame.type).endswith("Sleep") else "run"
            names.append(f"{kind}:{notification.completion_id}")
    return names


async def live(op: Op, data: st.DataObject) -> JournalServer:
    server = serve(
        program(op, []), choose=lambda names: data.draw(st.integers(0, len(names) - 1), label=str(names))
    )
    await server.run()
    return server


async def resumed(op: Op, first: JournalServer, cut: int, suspend: bool) -> JournalServer:
    server = serve(program(op, []), suspend_always=suspend)
    server.resume_from(first.journal[:cut])
    order = outcome_names(first.journal)[len(outcome_names(first.journal[:cut])) :]

    def as_before(names: Sequence[str]) -> int:
        # A step that was cancelled in the first run completed there for nobody; a replay does not run it
        # again.
        while order and order[0] not in names:
            order.pop(0)
        return names.index(order.pop(0)) if order else -1

    server.choose = as_before
    await server.run()
    return server


def commands(journal: Sequence[Frame]) -> list[str]:
    """The commands, output included, without what may differ: the wall-clock time at which a sleep ends."""
    shown = []
    for frame in journal:
        if not messages.is_command(frame.type):
            continue
        message = messages.decode_message(frame.type, frame.payload)
        if messages.type_name(frame.type) == "Command: Sleep":
            message.wake_up_time = 0
        shown.append(f"{messages.type_name(frame.type)} {message}")
    return shown


@pytest.mark.timeout(300)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(op=programs, data=st.data())
def test_a_replay_cut_anywhere_takes_the_same_way(op: Op, data: st.DataObject) -> None:
    async def check() -> None:
        first = await live(op, data)
        cut = data.draw(st.integers(1, len(first.journal) - 1), label="cut")
        again = await resumed(op, first, cut, suspend=False)
        assert commands(again.journal) == commands(first.journal)

    asyncio.run(check())
