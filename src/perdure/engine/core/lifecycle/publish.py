"""An attempt publishes events into a stream of its invocation."""

from __future__ import annotations

from perdure.engine.core.actions import Action, Published, Reply
from perdure.engine.core.inputs import Publish
from perdure.engine.core.lifecycle.refusal import unknown
from perdure.engine.core.model import Status
from perdure.engine.core.transaction import Transaction
from perdure.streams.append import Gap, append


def apply(event: Publish, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Publish. Once an invocation has completed nothing is added, so its streams have an end."""
    invocation = tx.invocation(event.id)
    if invocation is None:
        return [Reply(event.request, error=unknown(event.id))]
    if invocation.status is Status.COMPLETED or invocation.attempt != event.attempt:
        over = f"attempt {event.attempt} of invocation '{event.id}' is over"
        return [Reply(event.request, error=(410, over))]
    streams, batch = tx.streams, event.batch
    state = streams.source(event.id, event.stream, batch.source)
    try:
        added, after = append(streams.length(event.id, event.stream), state, batch, now_ms)
    except Gap as gap:
        return [Reply(event.request, error=(409, str(gap)), count=gap.count)]
    if after != state:
        streams.add(event.id, event.stream, batch.source, after, added)
    return [*([Published(event.id, event.stream)] if added else []), Reply(event.request)]
