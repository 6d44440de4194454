"""State that travels with the start of an attempt, so that reading it costs no round trip."""

from __future__ import annotations

from perdure.engine.core.model import Target
from perdure.engine.core.transaction import Transaction
from perdure.protocol.proto import service_protocol_pb2 as pb

BYTES_MAX = 1024 * 1024
"""More state than this stays behind, and is read lazily, key by key."""


def add_eager_state(start: pb.Start, target: Target, store: Transaction) -> None:
    """Add what the handler's options ask for, if it is small enough; `partial_state` says if all is there."""
    handler = store.handler(target.service, target.handler)
    options = handler.options if handler else None
    wanted = options.eager_state_keys if options else None
    if options is not None and options.lazy_state and wanted is None:
        start.partial_state = True
    elif wanted is not None:
        start.partial_state = True
        for name in map(str.encode, wanted):
            value = store.states.get(target.service, target.key, name)
            if value is not None and start.ByteSize() + len(value) <= BYTES_MAX:
                start.state_map.add(key=name, value=value)
    elif store.states.size_bytes(target.service, target.key) > BYTES_MAX:
        start.partial_state = True
    else:
        for name, value in store.states.all(target.service, target.key).items():
            start.state_map.add(key=name, value=value)
