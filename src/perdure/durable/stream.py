"""publish(): events into a stream of the invocation, from the run and from its steps.

The events of the run follow from the journal: every replay publishes them again, and the stream takes them
once. Those of a step come from its closure while it works, and count if it succeeds: what a try published
that failed, or died before its record, is superseded. See `perdure.streams`.
"""

from __future__ import annotations

import re
from typing import Any

from perdure.durable.context import current, enclosing_step
from perdure.errors import NotDurable
from perdure.streams.events import ATTEMPT, DEFAULT_NAME, END, NewEvent

_STREAM_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OF_THE_STREAM = {"source", "at"}  # what readers are told beside the data of an event


def publish(type: str, data: dict[str, Any], stream: str = DEFAULT_NAME) -> None:  # noqa: A002
    """Publish an event of some type into a stream of the running invocation.

    type: one word, such as `progress`; not `attempt` or `end`, which the stream itself publishes.
    data: JSON, at most 256 KiB, without the keys `source` and `at`, which the stream adds.
    stream: its name. Letters, digits, `.`, `_` and `-`.

    It may be called from durable code, and from within a step, a plain function's thread included. It does
    not wait for the event to be kept: a step does that at its end, and so does a run. Where nobody keeps
    streams, the event is dropped.

    Raises ValueError for what is no such event, and NotDurable outside of a durable run.
    """
    event = _event(type, data, stream)
    if (scope := enclosing_step()) is not None:
        scope.publish(stream, event)
    elif (context := current()) is not None:
        context.publish(stream, event)
    else:
        raise NotDurable(
            f"publish({type!r}, ...) is outside of a durable run: call it from code that "
            "`DurableRunner.run(...)` or `durable.run(ctx, main)` runs, or from within a step of it"
        )


async def flush() -> None:
    """Wait until what the enclosing step has published is kept, ten seconds at most.

    A step waits at its end anyway. This is for an async one that publishes megabytes, since publish() cannot
    wait there: what an attempt has published and not sent is 16 MiB at most, and what exceeds it is dropped.

    Raises NotDurable outside of a step.
    """
    if (scope := enclosing_step()) is None:
        raise NotDurable("flush() is for the code of a step; a durable run waits by itself")
    await scope.flush()


def _event(kind: str, data: dict[str, Any], stream: str) -> NewEvent:
    if kind in (ATTEMPT, END):
        raise ValueError(f"events of type {kind!r} are published by the stream itself")
    if not isinstance(data, dict):
        raise ValueError(f"the data of a {kind!r} event is a dict, not a {data.__class__.__name__}")
    if taken := _OF_THE_STREAM & data.keys():
        raise ValueError(
            f"the data of a {kind!r} event has the key {min(taken)!r}, which the stream adds itself"
        )
    if not _STREAM_NAME.fullmatch(stream):
        raise ValueError(f"{stream!r} is no name of a stream: up to 64 letters, digits, '.', '_' and '-'")
    return NewEvent.of(kind, data)
