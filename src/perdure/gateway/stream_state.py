"""The state of a stream's virtual object: `head`, an entry for each source, and the events in blocks.

Only the last block is ever written again, so an append does not rewrite history. An append writes blocks
first and `head` last, and a reader takes `head` first: so what `head` tells of is there, though nothing locks
a reader out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from pydantic import BaseModel
from restate import ObjectContext, ObjectSharedContext

from perdure.streams.append import Batch, SourceState, append
from perdure.streams.events import StreamEvent

HEAD = "head"

BLOCK_EVENTS = 64
BLOCK_BYTES = 32 * 1024
READ_BYTES = 1024 * 1024

Row = tuple[str, str, str, int]
"""An event in a block: type, payload, source, published at (ms)."""


class Head(BaseModel):
    """length: how many events there are. blocks: the index of the first event of each.

    attempts: random ids of the attempts that published, in the order in which they were first heard of.
    sealed_at_ms: since when nothing is appended. expires: whether an `expire` is on its way.
    """

    length: int = 0
    blocks: list[int] = []
    attempts: list[int] = []
    changed_at_ms: int = 0
    sealed_at_ms: int | None = None
    expires: bool = False

    def attempt_number(self, attempt_id: int) -> int:
        """The place of an attempt in the order."""
        if attempt_id not in self.attempts:
            self.attempts.append(attempt_id)
        return self.attempts.index(attempt_id)


class Source(BaseModel):
    attempt: tuple[int, ...]
    first_index: int
    count: int


class Block(BaseModel):
    rows: list[Row] = []

    def is_full(self) -> bool:
        return len(self.rows) >= BLOCK_EVENTS or sum(len(row[1]) for row in self.rows) >= BLOCK_BYTES


async def read_head(ctx: ObjectContext | ObjectSharedContext) -> Head:
    return await ctx.get(HEAD, type_hint=Head) or Head()


async def add_batch(ctx: ObjectContext, head: Head, batch: Batch, now_ms: int) -> int:
    """Append by the rule, and bring `head` up to date without writing it. Returns the count of the source's
    attempt. Raises Gap.
    """
    name = f"source {batch.source}"
    last_block = ctx.get(_block(head.blocks[-1]), type_hint=Block) if head.blocks else None
    known = await ctx.get(name, type_hint=Source)
    before = None if known is None else SourceState(known.attempt, known.first_index, known.count)
    added, after = append(head.length, before, batch, now_ms)
    if added:
        _write_blocks(ctx, head, (await last_block if last_block else None) or Block(), added)
    if after != before:
        ctx.set(name, Source(attempt=after.attempt, first_index=after.first_index, count=after.count))
    return after.count


async def read_rows(ctx: ObjectSharedContext, head: Head, start: int, count: int) -> list[Row]:
    """At most `count` events from `start` on, and about a mebibyte of them."""
    rows: list[Row] = []
    size = 0
    for begin in head.blocks[max(0, bisect_right(head.blocks, start) - 1) :]:
        if len(rows) >= count or size >= READ_BYTES:
            break
        block = await ctx.get(_block(begin), type_hint=Block) or Block()
        wanted = block.rows[max(0, start - begin) : head.length - begin][: count - len(rows)]
        size += sum(len(row[1]) for row in wanted)
        rows += wanted
    return rows


def _write_blocks(ctx: ObjectContext, head: Head, block: Block, added: Sequence[StreamEvent]) -> None:
    """Fill up the last block and begin new ones."""
    for event in added:
        if not head.blocks or block.is_full():
            if head.blocks:
                ctx.set(_block(head.blocks[-1]), block)
            head.blocks.append(event.index)
            block = Block()
        block.rows.append((event.type, event.payload, event.source, event.published_at_ms))
    ctx.set(_block(head.blocks[-1]), block)
    head.length += len(added)


def _block(first_index: int) -> str:
    return f"events {first_index}"
