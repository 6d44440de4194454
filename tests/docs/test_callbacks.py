"""The code in the guides to guardrails, hooks and tracing runs as it stands, with replay at every await."""

from __future__ import annotations

from typing import Any

import pytest
from agents import set_trace_processors, set_tracing_disabled
from pages import executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

GUARDRAILS = page("docs/guide/guardrails.md", "agent")
HOOKS = page("docs/guide/hooks.md", "agents")
TRACING = page("docs/guide/tracing.md", "agent")


async def test_a_guardrail_judges_with_an_agent() -> None:
    names = executed(GUARDRAILS.agent)
    names["judge"].model = ScriptedModel([lambda question: "yes" if "weather" in str(question) else "no"])
    names["weather"].model = ScriptedModel(["22 degrees"])
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Weather/ask", "How is the weather?") == "22 degrees"
        with pytest.raises(Exception, match="InputGuardrailTripwireTriggered"):
            await h.call("Weather/ask", "Who are you?")


async def test_hooks_and_a_handoff_with_a_callback() -> None:
    names = executed(HOOKS.agents)
    progress: list[str] = []

    async def save_progress(line: str) -> None:
        progress.append(line)

    names["save_progress"] = save_progress
    names["desk"].model = ScriptedModel([ToolCall("transfer_to_booking")])
    names["booking"].model = ScriptedModel(["?", ToolCall("find_flight", {"city": "Oslo"}), "LH 442"])
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Travel/ask", "To Oslo!") == "LH 442"
    assert progress == ["Booking uses find_flight"]


async def test_a_trace_around_two_runs() -> None:
    from agents.tracing import TracingProcessor

    ended: list[str] = []

    class Ends(TracingProcessor):
        def on_trace_start(self, trace: Any) -> None: ...
        def on_trace_end(self, trace: Any) -> None:
            ended.append(trace.name)

        def on_span_start(self, span: Any) -> None: ...
        def on_span_end(self, span: Any) -> None:
            ended.append(span.span_data.type)

        def shutdown(self) -> None: ...
        def force_flush(self) -> None: ...

    names = executed(TRACING.agent)
    names["weather"].model = ScriptedModel(["22 degrees"])
    set_tracing_disabled(False)
    set_trace_processors([Ends()])
    try:
        async with harness(names["app"], always_replay=True) as h:
            assert await h.call("Weather/ask", "Today?") == "22 degrees"
    finally:
        set_trace_processors([])
        set_tracing_disabled(True)
    assert ended.count("agent") == 2
    assert ended[-2:] == ["custom", "weather chat"]
    assert ended.count("custom") == 1
