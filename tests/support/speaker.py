"""A restate app that speaks as an agent does: each turn is a step that publishes words while it finds them.

No try finds the same words. Where the environment says so (`DIE_AT`, a file with a number), the process is
killed before that word of its life is published.
"""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import restate

from perdure.streams import sink as sinks
from perdure.streams.append import Batch
from perdure.streams.events import DEFAULT_NAME, RUN, NewEvent
from perdure.streams.sink import Sink

TURNS, WORDS = 2, 4

speaker = restate.Service("Speaker")
_published = itertools.count(1)


@speaker.handler()
async def speak(ctx: restate.Context) -> str:
    sink = sinks.local(ctx.request().attempt_headers[sinks.HEADER])
    assert sink is not None
    said = ""
    for turn in range(TURNS):
        text = await ctx.run_typed("call LLM", _call_model, sink=sink, turn=turn)
        said += text
        await _publish(sink, RUN, (), turn, NewEvent.of("message", {"text": text}))
    return said


async def _call_model(sink: Sink, turn: int) -> str:
    life = os.urandom(2).hex()
    words = [f"{turn}.{n}.{life} " for n in range(WORDS)]
    for offset, word in enumerate(words):
        _maybe_die(next(_published))
        await _publish(sink, f"s{turn}", (sink.attempt, 1), offset, NewEvent.of("text", {"delta": word}))
    return "".join(words)


async def _publish(sink: Sink, source: str, attempt: tuple[int, ...], offset: int, event: NewEvent) -> None:
    await sink.append(DEFAULT_NAME, Batch(source, attempt, offset, (event,)))


def _maybe_die(word: int) -> None:
    path = Path(os.environ.get("DIE_AT", "/nowhere"))
    if path.exists() and int(path.read_text()) == word:
        path.unlink()
        os.killpg(0, signal.SIGKILL)


app = restate.app([speaker])
