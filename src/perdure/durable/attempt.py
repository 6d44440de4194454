"""What all durable runs in one handler share, for one attempt: a replay counts anew."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import Counter

import restate

from perdure.durable.outbox import Outbox
from perdure.durable.sinks import sink_of

_attempts: weakref.WeakKeyDictionary[restate.Context, Attempt] = weakref.WeakKeyDictionary()
_NOT_ASKED = object()


class Attempt:
    """One attempt of a handler. Made on the real loop."""

    def __init__(self) -> None:
        self.names_used: Counter[str] = Counter()  # for idempotency keys
        self.steps = 0  # issued so far
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._outbox: Outbox | object | None = _NOT_ASKED

    def outbox(self, context: restate.Context) -> Outbox | None:
        """Where code in `context`, the handler's own, publishes; None if nobody keeps streams for it."""
        with self._lock:
            if self._outbox is _NOT_ASKED:
                request = context.request()
                sink = sink_of(request)
                finished = request.attempt_finished_event
                self._outbox = sink and Outbox(sink, finished, self._loop, self._thread)
        return self._outbox if isinstance(self._outbox, Outbox) else None

    def opened(self) -> Outbox | None:
        """The outbox, if something was published."""
        return self._outbox if isinstance(self._outbox, Outbox) else None


def attempt_of(context: restate.Context) -> Attempt:
    """The attempt of the handler that has `context` as its own."""
    if (attempt := _attempts.get(context)) is None:
        attempt = _attempts[context] = Attempt()
    return attempt
