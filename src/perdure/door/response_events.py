"""An answer as the events of the Responses API.

Each part is an output item. One that is superseded ends as `incomplete`, and the text comes again in a new
item. The response that completes the stream holds the item that is the output, and no other.

Sequence numbers count the events from 0 on. They follow from the invocation's stream alone, so a client that
has read up to N reads on after N, whoever it asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from perdure.door.answer import Delta, Done, Ended, Part, Step, Superseded
from perdure.door.port import Invocation
from perdure.door.response_object import message, message_id, output_text, response

Event = dict[str, Any]


async def response_events(
    invocation: Invocation, model: str, steps: AsyncIterator[Step]
) -> AsyncIterator[Event]:
    """All of them. The first two come at once."""
    number = 0
    for kind in ("response.created", "response.in_progress"):
        running = response(replace(invocation, started=True), model, None)
        yield {"type": kind, "sequence_number": number, "response": running}
        number += 1
    async for step in steps:
        for event in _of_step(invocation, model, step):
            yield {**event, "sequence_number": number}
            number += 1


def _of_step(invocation: Invocation, model: str, step: Step) -> Iterator[Event]:
    match step:
        case Delta(part, text):
            if text == part.text:
                yield from _opened(invocation, part)
            place = _place(invocation, part)
            yield {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []}
        case Done(part):
            yield from _closed(invocation, part, "completed")
        case Superseded(part):
            yield from _closed(invocation, part, "incomplete")
        case Ended(_, failed):
            kind = "response.failed" if failed else "response.completed"
            yield {"type": kind, "response": response(invocation, model, step)}


def _opened(invocation: Invocation, part: Part) -> Iterator[Event]:
    item = message(invocation, part, "in_progress")
    yield {"type": "response.output_item.added", "output_index": part.number, "item": item}
    place = _place(invocation, part)
    yield {"type": "response.content_part.added", **place, "part": output_text("")}


def _closed(invocation: Invocation, part: Part, status: str) -> Iterator[Event]:
    place = _place(invocation, part)
    yield {"type": "response.output_text.done", **place, "text": part.text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": output_text(part.text)}
    item = message(invocation, part, status)
    yield {"type": "response.output_item.done", "output_index": part.number, "item": item}


def _place(invocation: Invocation, part: Part) -> dict[str, Any]:
    return {"item_id": message_id(invocation, part), "output_index": part.number, "content_index": 0}
