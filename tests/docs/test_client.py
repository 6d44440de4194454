"""The code of the guide to the client runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import restate

from perdure.testing import harness

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "client.md"


async def test_the_client_of_the_guide_asks_and_prints_events(capsys: pytest.CaptureFixture[str]) -> None:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, "client.md", "exec"), names)
    chat = restate.VirtualObject("Chat")

    @chat.handler()
    async def say(ctx: restate.ObjectContext, message: str) -> str:
        return f"{ctx.key()}: {message}"

    async with harness(chat, ports=True) as h:
        assert await names["ask"](h.ingress_url, "Hello") == "ada: Hello"
    assert capsys.readouterr().out == "0 end {'status': 'succeeded', 'output': 'ada: Hello'}\n"
