"""An agent whose model breaks off its story: the first try ends in an error, or waits to be killed.

HOLDS keeps what outlives the process: which stories were begun.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import restate

from perdure import RetryPolicy, publish, step
from perdure.openai import durable

OPENING = ("Once ", "upon ")
SOON = RetryPolicy(initial_delay_ms=1)

story = restate.Service("Story")
room = restate.VirtualObject("Room")


def _say(text: str) -> str:
    for word in re.findall(r"\S+\s*", text):
        publish("text", {"delta": word, "item": 0})
    return text


def _is_first(story: str) -> bool:
    note = Path(os.environ["HOLDS"], story)
    begun = note.exists()
    note.touch()
    return not begun


@story.handler()
@durable
async def broken(ctx: restate.Context, text: str) -> str:
    """Tells `text`, after a first try that has failed by the end of the opening."""
    begun = False

    def tell() -> str:
        nonlocal begun
        if not begun:
            begun = True
            _say("".join(OPENING))
            raise ConnectionError("the model hung up")
        return _say(text)

    return await step("tell", tell, retry=SOON)


@story.handler()
@durable
async def killed(ctx: restate.Context, text: str) -> str:
    """Tells `text`; the first time it waits at the end of the opening, for a test that kills the process."""

    async def tell() -> str:
        if _is_first(text):
            _say("".join(OPENING))
            await asyncio.Event().wait()
        return _say(text)

    return await step("tell", tell)


@story.handler()
@durable
async def commented(ctx: restate.Context, text: str) -> str:
    """Says something beforehand, in a model call of its own."""

    def comment() -> str:
        return _say("Let me think.")

    def tell() -> str:
        return _say(text)

    publish("message", {"agent": "Storyteller", "text": await step("comment", comment)})
    return await step("tell", tell)


@room.handler()
async def wait(ctx: restate.ObjectContext, message: str) -> str:
    """Waits for ever."""
    _, never = ctx.awakeable()
    return str(await never)


app = restate.app([story, room])
