"""The virtual object that keeps streams on restate-server: one object a stream, `<invocation id>/<name>`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta

from pydantic import BaseModel, Field
from restate import ObjectContext, ObjectSharedContext, RunOptions, TerminalError, VirtualObject

from perdure.gateway.stream_state import HEAD, Head, Row, add_batch, read_head, read_rows
from perdure.streams.append import Batch, Gap
from perdure.streams.events import NewEvent, StreamEvent

NAME = "perdure.Stream"


class Event(BaseModel):
    type: str
    payload: str


class Append(BaseModel):
    """A batch. `attempt` is [], or [random id of the invocation's attempt, try of the step]: restate-server
    numbers attempts for nobody, so here they count in the order in which they are first heard of.
    """

    source: str
    attempt: list[int]
    offset: int = Field(ge=0)
    events: list[Event]


class Appended(BaseModel):
    """count: how many events of its attempt the stream has."""

    count: int


class Read(BaseModel):
    start: int = Field(ge=0)
    count: int = Field(ge=1)


class Page(BaseModel):
    """Events from the asked index on, as many as fit; the stream has `length` of them."""

    length: int
    rows: list[Row]

    def events(self, start: int) -> list[StreamEvent]:
        """The rows, whose first has the index `start`."""
        return [
            StreamEvent(start + n, kind, payload, source, at_ms)
            for n, (kind, payload, source, at_ms) in enumerate(self.rows)
        ]


class Sealed(BaseModel):
    length: int
    at_ms: int


class StreamObject:
    """Its handlers. `service` is what is served.

    retention: a stream is forgotten when it has not changed for so long and its invocation has completed.
    is_over: whether the invocation of an id has.
    appended: called with a stream's key when it has probably grown, for readers in this process.
    """

    def __init__(
        self,
        retention: timedelta,
        is_over: Callable[[str], Coroutine[None, None, bool]],
        appended: Callable[[str], None],
    ) -> None:
        self._retention = retention
        self._is_over = is_over
        self._appended = appended
        self.service = VirtualObject(
            NAME,
            description="Keeps the streams of events that invocations publish",
            state_preload=False,  # not all of a stream with every batch
            # One invocation a batch: what it was is of no interest once it is answered.
            journal_retention=timedelta(0),
            idempotency_retention=timedelta(0),
        )
        for exclusive in (self.append, self.seal, self.expire, self.clear):
            self.service.handler()(exclusive)
        self.service.handler(kind="shared")(self.read)

    async def append(self, ctx: ObjectContext, batch: Append) -> Appended:
        """Fails with 409 and the count for a message when events before the batch never came, and with 410
        when the invocation has completed."""
        head = await read_head(ctx)
        if head.sealed_at_ms is not None:
            if await self._completed(ctx):
                raise TerminalError("the invocation has completed, and with it its streams", status_code=410)
            ctx.clear_all()  # it was purged, and invoked again with the same idempotency key
            head = Head()
        attempt = tuple(batch.attempt)
        if attempt:
            attempt = (head.attempt_number(attempt[0]), *attempt[1:])
        events = tuple(NewEvent(event.type, event.payload) for event in batch.events)
        now_ms = await _now_ms(ctx)
        try:
            count = await add_batch(ctx, head, Batch(batch.source, attempt, batch.offset, events), now_ms)
        except Gap as gap:
            raise TerminalError(str(gap.count), status_code=409) from None
        self._write(ctx, head, now_ms)
        self._appended(ctx.key())
        return Appended(count=count)

    async def read(self, ctx: ObjectSharedContext, asked: Read) -> Page:
        """What there is from an index on."""
        head = await read_head(ctx)
        return Page(length=head.length, rows=await read_rows(ctx, head, asked.start, asked.count))

    async def seal(self, ctx: ObjectContext) -> Sealed:
        """The invocation has completed: nothing is appended any more, so that its `end` keeps its index."""
        head = await read_head(ctx)
        if head.sealed_at_ms is None:
            head.sealed_at_ms = await _now_ms(ctx)
            self._write(ctx, head, head.sealed_at_ms)
        return Sealed(length=head.length, at_ms=head.sealed_at_ms)

    async def expire(self, ctx: ObjectContext) -> None:
        """Forget the stream if it is time, or look again later."""
        head = await ctx.get(HEAD, type_hint=Head)
        if head is None:
            return
        age = timedelta(milliseconds=await _now_ms(ctx) - head.changed_at_ms)
        if age < self._retention:
            self._expire_after(ctx, self._retention - age)
        elif await self._completed(ctx):
            ctx.clear_all()
        else:
            self._expire_after(ctx, self._retention)

    async def clear(self, ctx: ObjectContext) -> None:
        """Forget the stream now."""
        ctx.clear_all()

    async def _completed(self, ctx: ObjectContext) -> bool:
        invocation_id = ctx.key().partition("/")[0]
        return await ctx.run_typed("is over", self._is_over, RunOptions(), invocation_id)

    def _write(self, ctx: ObjectContext, head: Head, now_ms: int) -> None:
        head.changed_at_ms = now_ms
        if not head.expires:  # one on its way, however many appends there are
            head.expires = True
            self._expire_after(ctx, self._retention)
        ctx.set(HEAD, head)

    def _expire_after(self, ctx: ObjectContext, delay: timedelta) -> None:
        ctx.generic_send(NAME, "expire", b"", key=ctx.key(), send_delay=delay)


async def _now_ms(ctx: ObjectContext) -> int:
    return int(await ctx.time() * 1000)
