"""Handlers that publish, run beside either engine.

HOLDS is a directory. A file `<label>.<n>` there holds the model up behind its word n, until it is removed.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import restate
from restate import InvocationRetryPolicy, TerminalError

import perdure
from perdure import durable

HOLDS = Path(os.environ["HOLDS"])
# By default it is 70 attempts, and paused then: seven seconds, which a killed endpoint may take to start.
RETRY = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20),
    max_interval=timedelta(milliseconds=100),
    max_attempts=100_000,
)

talk = restate.Service("Talk", invocation_retry_policy=RETRY)
talks = restate.Workflow("Talks", invocation_retry_policy=RETRY)


async def held(label: str, n: int) -> None:
    hold = HOLDS / f"{label}.{n}"
    while hold.exists():  # noqa: ASYNC110 - a test in another process removes it
        await asyncio.sleep(0.005)


async def speak(label: str, words: list[str]) -> str:
    """What a model call is: its words go out while it works, and its result is journaled at the end."""
    perdure.publish("model_call", {"model": "test"})
    for n, word in enumerate(words):
        perdure.publish("text", {"delta": word, "item": "m"})
        await held(label, n)
    return "".join(words)


async def conversation(label: str, words: list[str]) -> str:
    perdure.publish("began", {"label": label})
    said = await perdure.step("call model", speak, label, words)
    perdure.publish("message", {"text": said})
    perdure.publish("line", {"text": said}, stream="log")
    return said


@talk.handler()
async def say(ctx: restate.Context, asked: dict[str, object]) -> str:
    return await durable.run(ctx, conversation, str(asked["label"]), list(asked["words"]))  # type: ignore


@talk.handler()
async def refuse(ctx: restate.Context) -> str:
    raise TerminalError("not today", status_code=422)


@talk.handler(journal_retention=timedelta(0), idempotency_retention=timedelta(0))
async def say_and_forget(ctx: restate.Context, asked: dict[str, object]) -> str:
    return await say(ctx, asked)


@talks.main()
async def run(ctx: restate.WorkflowContext, asked: dict[str, object]) -> str:
    return await durable.run(ctx, conversation, str(asked["label"]), list(asked["words"]))  # type: ignore


app = restate.app([talk, talks])
