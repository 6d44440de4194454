"""A trace is exported once, however often its run is replayed, and under the same ids."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import restate
from agent_invocation import asked, asking
from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunConfig,
    Runner,
    add_trace_processor,
    custom_span,
    function_tool,
    get_current_span,
    get_current_trace,
    input_guardrail,
    set_trace_processors,
    set_tracing_disabled,
    trace,
)
from agents.tracing import Span, Trace, TracingProcessor
from agents.tracing.processors import BatchTraceProcessor, TracingExporter
from journal_server import value_of

from perdure import DurableRunner
from perdure.openai import durable
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


class Recorder(TracingProcessor):
    """Keeps spans from their start to their end, as processors for other back ends do."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.open: dict[str, Any] = {}
        self.finished: list[dict[str, Any]] = []

    def on_trace_start(self, trace: Trace) -> None:
        self.events.append(("start", trace.trace_id))
        self.open[trace.trace_id] = trace

    def on_trace_end(self, trace: Trace) -> None:
        self.events.append(("end", trace.trace_id))
        del self.open[trace.trace_id]

    def on_span_start(self, span: Span[Any]) -> None:
        self.events.append(("start", span.span_id))
        assert span.trace_id in self.open
        assert span.parent_id is None or span.parent_id in self.open
        self.open[span.span_id] = span

    def on_span_end(self, span: Span[Any]) -> None:
        self.events.append(("end", span.span_id))
        del self.open[span.span_id]
        exported = span.export()
        assert exported is not None
        self.finished.append(exported)

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...

    def check(self) -> None:
        """Everything was told once, and nothing was left open."""
        assert self.open == {}
        assert [event for event, times in Counter(self.events).items() if times > 1] == []

    def shape(self) -> list[tuple[str, Any]]:
        """The spans in the order in which they ended, with the kind of their parent."""
        kinds = {span["id"]: span["span_data"]["type"] for span in self.finished}
        return [
            (kinds[span["id"]], span["span_data"].get("name"), kinds.get(span["parent_id"]))
            for span in self.finished
        ]  # type: ignore[misc]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    set_tracing_disabled(False)
    set_trace_processors([recorder])
    yield recorder
    set_trace_processors([])
    set_tracing_disabled(True)


@function_tool
async def look_up(word: str) -> str:
    """Look a word up."""
    with custom_span("search"):  # in a step
        return f"{word}: a greeting"


def team() -> Agent[Any]:
    """Parallel tools, an agent as a tool, a guardrail and a handoff."""

    @input_guardrail
    def polite(_ctx: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    expert = Agent(
        name="Expert", tools=[look_up], model=ScriptedModel([ToolCall("look_up", {"word": "c"}), "c"])
    )
    clerk = Agent(name="Clerk", model=ScriptedModel(["?", "?", "filed"]))
    tools = [
        ToolCall("look_up", {"word": "a"}),
        ToolCall("ask", {"input": "?"}),
        ToolCall("look_up", {"word": "b"}),
    ]
    return Agent(
        name="Desk",
        tools=[look_up, expert.as_tool("ask", "Ask.")],
        handoffs=[clerk],
        input_guardrails=[polite],
        model=ScriptedModel([tools, ToolCall("transfer_to_clerk")]),
    )


async def test_each_event_is_told_once_although_every_await_is_replayed(recorder: Recorder) -> None:
    server = asking(team())
    assert value_of(await server.run()) == "filed"
    assert server.attempts > 6
    recorder.check()
    durable_shape = recorder.shape()
    recorder.finished.clear()
    await Runner.run(team(), "hello")
    assert sorted(durable_shape, key=str) == sorted(recorder.shape(), key=str)
    assert ("custom", "search", "function") in durable_shape


async def test_ids_are_the_same_in_every_attempt_and_have_the_sdks_form(recorder: Recorder) -> None:
    seen: list[tuple[str, str]] = []

    async def run(ctx: restate.Context, message: str) -> str:
        with trace("chat") as chat, custom_span("mine") as mine:
            seen.append((chat.trace_id, mine.span_id))
            return str((await DurableRunner.run(team(), message)).final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "filed"
    assert len(seen) == server.attempts
    assert len(set(seen)) == 1
    recorder.check()
    assert re.fullmatch("trace_[0-9a-f]{32}", seen[0][0])
    assert re.fullmatch("span_[0-9a-f]{24}", seen[0][1])
    assert {span["trace_id"] for span in recorder.finished} == {seen[0][0]}


async def test_two_runs_and_a_trace_inside_of_a_durable_handler(recorder: Recorder) -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> str:
        with trace("both", group_id="chat-1", metadata={"user": "7"}):
            first = await Runner.run(Agent(name="A", model=ScriptedModel(["one"])), message)
            await asyncio.sleep(3600)
            second = await Runner.run(Agent(name="B", model=ScriptedModel(["two"])), message)
        assert get_current_trace() is None
        assert get_current_span() is None
        return f"{first.final_output} {second.final_output}"

    assert value_of(await asked(run, suspend_always=True).run()) == "one two"
    recorder.check()
    assert [
        span["span_data"]["name"] for span in recorder.finished if span["span_data"]["type"] == "agent"
    ] == [
        "A",
        "B",
    ]
    assert len({span["trace_id"] for span in recorder.finished}) == 1


async def test_a_trace_id_of_the_user_is_respected(recorder: Recorder) -> None:
    config = RunConfig(trace_id="trace_" + "a" * 32, workflow_name="mine")
    assert value_of(await asking(Agent(name="A", model=ScriptedModel(["x"])), run_config=config).run()) == "x"
    recorder.check()
    assert {span["trace_id"] for span in recorder.finished} == {"trace_" + "a" * 32}


def test_a_killed_process_and_the_next_one_make_one_trace(tmp_path: Path) -> None:
    journal, events = tmp_path / "journal", tmp_path / "events"
    first = run_process(journal, events, "kill")
    assert first.returncode == -signal.SIGKILL, first.stderr
    second = run_process(journal, events)
    assert second.returncode == 0, second.stderr

    told = [json.loads(line) for line in events.read_text().splitlines()]
    by_process = [
        [(line["event"], line["id"]) for line in told if line["process"] == process]
        for process in dict.fromkeys(line["process"] for line in told)
    ]
    before, after = by_process
    open_at_the_kill = [key for event, key in before if event == "start" and ("end", key) not in before]
    assert len(open_at_the_kill) == 5, "the trace, the task, the agent, the turn and the tool"
    assert [key for event, key in after if event == "start"][:5] == open_at_the_kill
    ends = [key for event, key in before + after if event == "end"]
    assert len(ends) == len(set(ends)), "no span ended twice"
    assert sorted(ends) == sorted({key for _, key in before + after}), "every span ended"


def run_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).parents[1] / "support" / "traced_run.py"
    command = [sys.executable, str(program), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


async def test_suspension_leaves_no_span_current(recorder: Recorder) -> None:
    current: list[Any] = []

    async def run(ctx: restate.Context, message: str) -> str:
        current.append((get_current_trace(), get_current_span()))
        with trace("around"):
            await DurableRunner.run(team(), message)
            await ctx.sleep(timedelta(days=3))
        current.append((get_current_trace(), get_current_span()))
        return "ok"

    assert value_of(await asked(run, suspend_always=True).run()) == "ok"
    assert set(current) == {(None, None)}
    recorder.check()


async def test_a_span_starts_when_it_started_first_however_long_the_run_waits(recorder: Recorder) -> None:
    server = asking(team())
    assert await server.attempt() is None
    suspended_at = datetime.now(UTC).isoformat()
    assert value_of(await server.run()) == "filed"
    by_id = {span["id"]: span for span in recorder.finished}
    roots = [span for span in by_id.values() if span["parent_id"] is None]
    assert roots != []
    assert min(span["started_at"] for span in roots) < suspended_at < max(span["ended_at"] for span in roots)
    for span in by_id.values():
        if (parent := by_id.get(span["parent_id"])) is not None:
            assert span["started_at"] >= parent["started_at"]


async def test_an_attempt_that_fails_is_followed_by_one_that_tells_its_own_way(recorder: Recorder) -> None:
    tries: list[int] = []

    async def run(ctx: restate.Context, message: str) -> str:
        with trace("shaky"):
            await DurableRunner.run(Agent(name="A", model=ScriptedModel(["x"])), message)
            tries.append(1)
            if len(tries) == 1:
                raise OSError("the disk is full")
            with custom_span("second try"):
                return "ok"

    server = asked(run, retry_errors=True)
    assert value_of(await server.run()) == "ok"
    assert "the disk is full" in server.errors[0]
    assert "second try" in [span["span_data"].get("name") for span in recorder.finished]
    assert recorder.open == {}


async def test_an_error_that_went_to_the_model_is_told_by_whichever_attempt_ends_the_span(
    recorder: Recorder,
) -> None:
    @function_tool
    async def fetch() -> str:
        raise ConnectionError("down")

    @function_tool
    async def give_up() -> str:
        get_current_span().set_error({"message": "no hope", "data": {"tried": 3}})
        return "?"

    script = [[ToolCall("fetch"), ToolCall("give_up")], "done"]
    agent = Agent(name="A", tools=[fetch, give_up], model=ScriptedModel(script))
    assert value_of(await asking(agent).run()) == "done"
    errors = {span["span_data"].get("name"): span["error"] for span in recorder.finished}
    assert errors["fetch"] == {
        "message": "Error running tool (non-fatal)",
        "data": {"tool_name": "fetch", "error": "Tool execution failed. Error details are redacted."},
    }
    assert errors["give_up"] == {"message": "no hope", "data": {"tried": 3}}


async def test_a_processor_that_raises_or_starts_tasks_disturbs_nothing(recorder: Recorder) -> None:
    sent: list[str] = []

    class Sends(Recorder):
        def on_span_end(self, span: Span[Any]) -> None:
            async def send() -> None:
                await asyncio.sleep(0.001)  # would be a durable timer on the loop of the run
                sent.append(span.span_id)

            asyncio.get_running_loop().create_task(send())
            raise ValueError("no route to the back end")

    add_trace_processor(Sends())
    server = asking(team())
    assert value_of(await server.run()) == "filed"
    await asyncio.sleep(0.01)
    assert "Sleep" not in server.commands()
    assert Counter(sent) == Counter(span["id"] for span in recorder.finished)


async def test_the_sdks_own_batch_processor_exports_each_span_once(recorder: Recorder) -> None:
    exported: list[Any] = []
    threads: set[str] = set()

    class Exporter(TracingExporter):
        def export(self, items: list[Trace | Span[Any]]) -> None:
            threads.add(threading.current_thread().name)
            exported.extend(item.export() for item in items)

    processor = BatchTraceProcessor(Exporter(), schedule_delay=0.01)
    add_trace_processor(processor)
    assert value_of(await asking(team()).run()) == "filed"
    processor.shutdown()
    ids = [item["id"] for item in exported]
    assert len(ids) == len(set(ids)) == len(recorder.finished) + 1
    assert threading.main_thread().name not in threads


async def test_a_misuse_ends_its_spans_with_the_invocation(recorder: Recorder) -> None:
    async def reads_a_file(ctx: Any, agent: Any) -> str:
        return str(await asyncio.to_thread(len, "x"))

    agent = Agent(name="A", instructions=reads_a_file, model=ScriptedModel(["x"]))
    assert "NotDurable" in (await asking(agent).run()).failure.message
    recorder.check()
