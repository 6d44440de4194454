"""Handlers that answer at once, wait, or take up again what they had begun.

No `from __future__ import annotations` here: the SDK would evaluate the one of `_step` on each step.
"""

import asyncio
import os
import time
from datetime import timedelta

import restate

waits = restate.Service("Waits")


@waits.handler()
async def answer(ctx: restate.Context, number: int) -> int:
    """A round trip and nothing else."""
    return number


@waits.handler(inactivity_timeout=timedelta(minutes=30))
async def idle(ctx: restate.Context) -> str:
    """Wait for an answer from outside, in memory."""
    return await ctx.awakeable()[1]


@waits.handler(inactivity_timeout=timedelta(milliseconds=100))
async def suspended(ctx: restate.Context) -> str:
    """Wait for an answer from outside, and let go of everything but the journal."""
    return await ctx.awakeable()[1]


@waits.handler(inactivity_timeout=timedelta(minutes=30))
async def running(ctx: restate.Context) -> None:
    """Be in the middle of a step."""
    await ctx.run_typed("work", _forever)


@waits.handler(inactivity_timeout=timedelta(minutes=30))
async def take_up(ctx: restate.Context, steps: int) -> int:
    """Record `steps` steps, and hold in the next one while HOLD_FILE exists. After that, note in RESUMED_LOG
    when the attempt began and when it had all its steps again."""
    began_at = time.time()
    done = 0
    for _ in range(steps):
        done += await ctx.run_typed("step", _step)

    async def go_on() -> None:
        if _is_held():
            _note("HELD_LOG", ".")
            await _forever()
        _note("RESUMED_LOG", f"{began_at} {time.time()}\n")

    await ctx.run_typed("go on", go_on)
    return done


async def _step() -> int:
    return 1


def _is_held() -> bool:
    return os.path.exists(os.environ["HOLD_FILE"])


def _note(variable: str, text: str) -> None:
    with open(os.environ[variable], "a") as log:
        log.write(text)


async def _forever() -> None:
    await asyncio.Event().wait()


app = restate.app([waits])
