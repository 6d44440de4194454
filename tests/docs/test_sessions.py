"""The code of the guide to sessions runs as it stands."""

from __future__ import annotations

import pytest
from page_shell import PageShell
from pages import executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel

SESSIONS = page("docs/guide/sessions.md", "chat say")


def test_the_chat_of_the_guide_is_called(shell: PageShell) -> None:
    (shell.folder / "agent.py").write_text(SESSIONS.chat.text)
    shell.do("perdure up agent.py")
    assert shell.run(SESSIONS.say) == ['"My name is Ada."']


@pytest.mark.anyio
async def test_the_chat_of_the_guide_answers_and_tells_its_history() -> None:
    names = executed(SESSIONS.chat)
    names["assistant"].model = ScriptedModel(["Hello Ada.", "Ada."])
    async with harness(names["app"], always_replay=True) as h:
        await h.call("Chat/ada/say", "My name is Ada.")
        assert await h.call("Chat/ada/say", "What is my name?") == "Ada."
        assert len(await h.call("Chat/ada/history")) == 4
