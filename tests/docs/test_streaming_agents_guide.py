"""The code of the guide to streaming agents runs as it stands, with replay at every await."""

from __future__ import annotations

import pytest
from page_shell import PageShell
from pages import executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel

STREAMING = page("docs/guide/streaming-agents.md", "agent plain read")


def test_readers_outside_see_the_words(shell: PageShell) -> None:
    (shell.folder / "agent.py").write_text(STREAMING.agent.text + STREAMING.plain.text)
    shell.do("perdure up agent.py")
    (stream,) = shell.run(STREAMING.read)
    assert "event: text\n" in stream
    assert '"output":"Where is Rome?"' in stream


@pytest.mark.anyio
@pytest.mark.parametrize("handler", ["ask", "ask_plainly"])
async def test_the_guide(handler: str) -> None:
    names = executed(STREAMING.agent, STREAMING.plain)
    names["agent"].model = ScriptedModel(["In Italy."])
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call(f"Guide/{handler}", "Where is Rome?") == "In Italy."
