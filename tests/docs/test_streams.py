"""The code in the guide to streams runs as it stands, with replay at every await."""

from __future__ import annotations

import pytest
from page_shell import PageShell
from pages import executed, page
from sse import read_all

from perdure.testing import harness

STREAMS = page("docs/guide/streams.md", "read publish")


AGENT = """
import restate
from agents import Agent

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel

sailor = Agent(name="Sailor", model=ScriptedModel(["The sea is wide."]))
chat = restate.Service("Chat")


@chat.handler()
async def ask(ctx: restate.Context, message: str) -> str:
    result = DurableRunner.run_streamed(sailor, message)
    async for _event in result.stream_events():
        pass
    return result.final_output


app = restate.app([chat])
"""


def test_a_run_is_read_over_http(shell: PageShell) -> None:
    (shell.folder / "agent.py").write_text(AGENT)
    shell.do("perdure up agent.py")
    shell.run(STREAMS.read)


@pytest.mark.anyio
async def test_an_inventory_is_told_shelf_by_shelf() -> None:
    module = executed(STREAMS.publish)
    async with harness(module["app"], always_replay=True) as h:
        sent = await h.ingress.post("/Library/inventory/send", json=["A", "B"])
        stream = f"/restate/invocation/{sent.json()['invocationId']}/stream"
        events = await read_all(h.ingress, stream)
        summary = await read_all(h.ingress, stream, stream="summary")
    assert [(e.type, e.data.get("shelf"), e.data.get("book")) for e in events] == [
        *(("scanned", shelf, book) for shelf in "AB" for book in range(3)),
        ("end", None, None),
    ]
    assert [e.data["source"] for e in events[:-1]] == ["s1"] * 3 + ["s2"] * 3
    assert [e.data["books"] for e in summary[:-1]] == [3, 6]
    assert summary[-1].data["output"] == 6
