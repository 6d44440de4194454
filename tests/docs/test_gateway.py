"""The guide to the gateway: its commands, in front of a real restate-server."""

from __future__ import annotations

import json

import pytest
from page_shell import PageShell
from pages import page

GATEWAY = page("docs/guide/gateway.md", "start publish read")

AGENT = """
import restate
from agents import Agent

from perdure import DurableRunner

service = restate.Service("Agent")


@service.handler()
async def run(ctx: restate.Context, message: str) -> str:
    result = DurableRunner.run_streamed(Agent(name="Agent"), message)
    async for _event in result.stream_events():
        pass
    return result.final_output


app = restate.app([service])
"""


@pytest.mark.restate
def test_streams_are_read_through_the_gateway(shell: PageShell) -> None:
    (shell.folder / "agent.py").write_text(AGENT)
    shell.do("restate-server")
    shell.run(GATEWAY.start)
    shell.run(GATEWAY.publish)
    listed = {"curl -N http://127.0.0.1:8088/restate": lambda: shell.do("perdure invocations list --limit 1")}
    stream, again, text, answer = shell.run(GATEWAY.read, before=listed)
    assert "event: text\n" in stream
    assert again == stream
    assert text == "Hello"
    assert json.loads(answer) == "Hello"
