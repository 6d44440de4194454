"""The handler of bench/streams.py: it publishes words, at once or at a pace, each with its time."""

from __future__ import annotations

import asyncio
import time

import restate

from perdure.streams import sink as sinks
from perdure.streams.append import Batch
from perdure.streams.events import DEFAULT_NAME, RUN, NewEvent

speaker = restate.Service("Speaker")


@speaker.handler()
async def speak(ctx: restate.Context, asked: dict[str, int]) -> float:
    """`asked`: words, batch, pause_ms, bytes. Returns the seconds that publishing took."""
    sink = sinks.local(ctx.request().attempt_headers[sinks.HEADER])
    assert sink is not None
    filling = "x" * asked["bytes"]
    begin = time.perf_counter()
    for offset in range(0, asked["words"], asked["batch"]):
        word = NewEvent.of("text", {"delta": filling, "published_ns": time.monotonic_ns()})
        await sink.append(DEFAULT_NAME, Batch(RUN, (), offset, (word,) * asked["batch"]))
        if asked["pause_ms"]:
            await asyncio.sleep(asked["pause_ms"] / 1000)
    return time.perf_counter() - begin


app = restate.app([speaker])
