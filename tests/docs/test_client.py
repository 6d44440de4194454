"""The code of the guide to the client runs as it stands."""

from __future__ import annotations

import json
import os

import browser
import pytest
import restate
from browser import REQUIRED_BY_ENV, WHY_MISSING, find_browser
from pages import executed, page

from perdure import publish
from perdure.durable import run
from perdure.testing import harness

pytestmark = pytest.mark.anyio

CLIENT = page("docs/guide/client.md", "ask web")


async def test_the_client_of_the_guide_asks_and_prints_events(capsys: pytest.CaptureFixture[str]) -> None:
    names = executed(CLIENT.ask)
    chat = restate.VirtualObject("Chat")

    @chat.handler()
    async def say(ctx: restate.ObjectContext, message: str) -> str:
        return f"{ctx.key()}: {message}"

    async with harness(chat, ports=True) as h:
        assert await names["ask"](h.ingress_url, "Hello") == "ada: Hello"
    assert capsys.readouterr().out == "0 end {'status': 'succeeded', 'output': 'ada: Hello'}\n"


@pytest.mark.skipif(find_browser() is None and os.environ.get(REQUIRED_BY_ENV) != "1", reason=WHY_MISSING)
async def test_the_web_page_of_the_guide_reads_the_answer_as_it_is_written() -> None:
    chat = restate.VirtualObject("Chat")

    @chat.handler()
    async def say(ctx: restate.ObjectContext, message: str) -> str:
        return await run(ctx, speak, message)

    async def speak(message: str) -> str:
        publish("text", {"delta": f"{message}, Ada"})
        return f"{message}, Ada"

    async with harness(chat, ports=True) as h:
        module = CLIENT.web.text.replace("http://127.0.0.1:8080", h.ingress_url) + "\nexport { text };"
        script = f"""
            const module = new Blob([{json.dumps(module)}], {{ type: "text/javascript" }});
            return (await import(URL.createObjectURL(module))).text;
        """
        async with browser.page(script) as shown:
            assert await shown.result() == "Hello, Ada"
