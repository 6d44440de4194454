"""What a stream says of the answer, event by event, before it is said in the words of either API.

The texts of an agent run come in parts: each message of each model call is one. When a model call is tried
again, its parts are superseded, and the text comes again in new ones. The last part of a run is as a rule its
output; where the output is another (the handler made something of it, or nothing was streamed) it follows as
a part of its own. So there always is a part that is the output, and it is the last one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from perdure.door.port import Invocations
from perdure.door.usage import OUTPUT, Meter, Usage
from perdure.errors import RequestError
from perdure.stream_answers.answer import EVENTS_PER_READ
from perdure.stream_answers.log import Log
from perdure.streams.assemble import superseded_by
from perdure.streams.events import END, TEXT, StreamEvent

_MESSAGE = "message"


@dataclass(slots=True)
class Part:
    """A text as far as it has come. `number` counts from 0; what was superseded counts too."""

    number: int
    source: str
    item: object
    first_index: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of a part, of a new one if its text was empty."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """A part is complete."""

    part: Part


@dataclass(frozen=True, slots=True)
class Superseded:
    """The model was asked again: what this part held does not count."""

    part: Part


@dataclass(frozen=True, slots=True)
class Failed:
    """How the invocation failed. `code` is an HTTP status, if the agent's author chose one."""

    code: int
    message: str

    @property
    def cancelled(self) -> bool:
        """As the engine tells it."""
        return (self.code, self.message) == (409, "cancelled")


@dataclass(frozen=True, slots=True)
class Ended:
    """The last step. `part` holds the output, if there is one; `usage` is None where it is not known."""

    part: Part | None
    failed: Failed | None = None
    usage: Usage | None = None


Step = Delta | Done | Superseded | Ended


class Answer:
    """`feed` it all events of a stream, from the first on; which steps come out depends on nothing else."""

    def __init__(self) -> None:
        self._open: list[Part] = []
        self._last: Part | None = None
        self._count = 0
        self._meter = Meter()

    def feed(self, event: StreamEvent) -> Iterator[Step]:
        """What this event adds."""
        if event.type == END:
            yield from self._end(event)
        elif (told := superseded_by(event)) is not None:
            self._meter.supersede(*told)
            yield from self._supersede(*told)
        elif event.type == OUTPUT:
            self._meter.add(event)
        elif event.type == TEXT:
            yield from self._text(event)
        elif event.type == _MESSAGE:
            said = event.data.get("text")
            yield from self._done([part for part in self._open if part.text == said])

    def _text(self, event: StreamEvent) -> Iterator[Step]:
        delta, item = event.data.get("delta"), event.data.get("item")
        if not isinstance(delta, str) or not delta:  # a handler may call events of its own so
            return
        if event.data.get("depth"):  # what a run inside the run says is no answer
            return
        part = next((p for p in self._open if (p.source, p.item) == (event.source, item)), None)
        if part is None:
            part = self._new(event.source, item, event.index)
        yield self._add(part, delta)

    def _new(self, source: str, item: object, first_index: int) -> Part:
        part = Part(self._count, source, item, first_index)
        self._count += 1
        self._open.append(part)
        return part

    def _add(self, part: Part, delta: str) -> Delta:
        part.text += delta
        self._last = part
        return Delta(part, delta)

    def _supersede(self, source: str, index: int) -> Iterator[Step]:
        for part in [p for p in self._open if p.source == source and p.first_index >= index]:
            self._open.remove(part)
            if self._last is part:
                self._last = None
            yield Superseded(part)

    def _done(self, parts: list[Part]) -> Iterator[Step]:
        for part in parts:
            self._open.remove(part)
            yield Done(part)

    def _end(self, event: StreamEvent) -> Iterator[Step]:
        end = event.data
        if end["status"] != "succeeded":
            failed = Failed(int(end.get("code", 500)), str(end.get("message", "")))
            yield Ended(None, failed, self._meter.total())
            return
        output = as_text(end.get("output"))
        if self._last is None or self._last.text != output:
            yield self._add(self._new(event.source, None, event.index), output)
        final = self._last
        yield from self._done(list(self._open))
        yield Ended(final, usage=self._meter.total())


def as_text(output: Any) -> str:
    """A handler's output, as a client reads it: its text, or its JSON."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


async def steps(log: Log) -> AsyncIterator[Step]:
    """The whole answer, as it comes. It holds an index, not a queue: a slow reader costs nothing."""
    answer, index = Answer(), 0
    while True:
        events = await log.read(index, EVENTS_PER_READ)
        if not events:
            await log.grown(index)
        for event in events:
            index = event.index + 1
            for step in answer.feed(event):
                yield step
            if event.type == END:
                return


async def awaited(invocations: Invocations, invocation_id: str) -> Ended:
    """How it ends. What is not retained is gone by then: the result alone is left."""
    end = await invocations.finished(invocation_id)
    try:
        ended = await outcome(invocations.log(invocation_id))
    except RequestError as error:
        if error.status != 404:
            raise
        ended = None
    return ended or next(step for step in Answer().feed(end) if isinstance(step, Ended))


async def outcome(log: Log) -> Ended | None:
    """How it ended; None while it has not. The whole stream is read: it tells which part is the output."""
    _, ended = await log.extent()
    if not ended:
        return None
    async for step in steps(log):
        if isinstance(step, Ended):
            return step
    return None
