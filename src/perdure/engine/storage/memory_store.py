"""The store's memory twin, for tests of the rules: same contract, no file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from perdure.engine.core.model import AttemptFailure, Entry, Invocation, Result, Timer, Waiter
from perdure.engine.core.transaction import FAILURES_MAX, STREAM_READ_BYTES
from perdure.protocol.discovery import HandlerManifest, Manifest
from perdure.streams.append import SourceState
from perdure.streams.events import StreamEvent


class MemoryStore:
    """Implements `engine.core.transaction.Transaction`. `manifest` is what its one deployment serves."""

    def __init__(self, manifest: Manifest | None = None) -> None:
        self.manifest = manifest
        self._invocations: dict[str, Invocation] = {}
        self._journals: dict[str, list[Entry]] = {}
        self._failures: dict[str, list[AttemptFailure]] = {}
        self._timers: set[Timer] = set()
        self._waiters: list[Waiter] = []
        self.inboxes = MemoryInboxes()
        self.states = MemoryStates()
        self.promises = MemoryPromises()
        self.streams = MemoryStreams()

    def transact(self, work: Callable[[], None]) -> None:
        """All of `work`, or nothing of it."""
        before = copy.copy(self.__dict__)
        self._invocations = dict(self._invocations)
        self._journals = {key: list(entries) for key, entries in self._journals.items()}
        self._failures = dict(self._failures)
        self._timers = set(self._timers)
        self._waiters = list(self._waiters)
        self.inboxes = copy.deepcopy(self.inboxes)
        self.states = copy.deepcopy(self.states)
        self.promises = copy.deepcopy(self.promises)
        self.streams = copy.deepcopy(self.streams)
        try:
            work()
        except BaseException:
            self.__dict__.update(before)
            raise

    def invocation(self, invocation_id: str) -> Invocation | None:
        return self._invocations.get(invocation_id)

    def put_invocation(self, invocation: Invocation) -> None:
        self._invocations[invocation.id] = invocation

    def delete_invocation(self, invocation_id: str) -> None:
        self._invocations.pop(invocation_id, None)
        self._journals.pop(invocation_id, None)
        self._failures.pop(invocation_id, None)
        self.streams.delete_all(invocation_id)
        self.remove_timers(invocation_id)
        self._waiters = [w for w in self._waiters if invocation_id not in (w.invocation_id, w.waiter_id)]
        self.promises.forget_waiter(invocation_id)
        self.inboxes.leave(invocation_id)

    def append(self, invocation_id: str, entry: Entry) -> None:
        self._journals.setdefault(invocation_id, []).append(entry)

    def journal(self, invocation_id: str) -> list[Entry]:
        return list(self._journals.get(invocation_id, ()))

    def journal_length(self, invocation_id: str) -> int:
        return len(self._journals.get(invocation_id, ()))

    def delete_journal(self, invocation_id: str) -> None:
        self._journals.pop(invocation_id, None)

    def add_failure(self, invocation_id: str, failure: AttemptFailure) -> None:
        kept = [*self._failures.get(invocation_id, ()), failure]
        self._failures[invocation_id] = kept[-FAILURES_MAX:]

    def failures(self, invocation_id: str) -> list[AttemptFailure]:
        return self._failures.get(invocation_id, [])

    def add_timer(self, timer: Timer) -> None:
        self._timers.add(timer)

    def remove_timer(self, timer: Timer) -> bool:
        found = timer in self._timers
        self._timers.discard(timer)
        return found

    def remove_timers(self, invocation_id: str) -> None:
        self._timers = {t for t in self._timers if t.invocation_id != invocation_id}

    def add_waiter(self, waiter: Waiter) -> None:
        if waiter not in self._waiters:
            self._waiters.append(waiter)

    def take_waiters(self, invocation_id: str) -> Iterable[Waiter]:
        taken = sorted(w for w in self._waiters if w.invocation_id == invocation_id)
        self._waiters = [w for w in self._waiters if w.invocation_id != invocation_id]
        return taken

    def awaited_by(self, waiter_id: str) -> Iterable[Waiter]:
        return sorted(w for w in self._waiters if w.waiter_id == waiter_id)

    def handler(self, service: str, handler: str) -> HandlerManifest | None:
        found = self.manifest.services.get(service) if self.manifest else None
        return found.handlers.get(handler) if found else None

    def deployment_of(self, service: str) -> str | None:
        return "dp_memory" if self.manifest and service in self.manifest.services else None

    def service_kind(self, service: str) -> str | None:
        found = self.manifest.services.get(service) if self.manifest else None
        return found.kind if found else None

    # ---- what a runtime asks besides

    def timers(self) -> list[Timer]:
        """All timers, the earliest first."""
        return sorted(self._timers)


class MemoryStreams:
    """Implements `engine.core.transaction.Streams`."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], list[StreamEvent]] = {}
        self._sources: dict[tuple[str, str, str], SourceState] = {}

    def length(self, invocation_id: str, stream: str) -> int:
        return len(self._events.get((invocation_id, stream), ()))

    def source(self, invocation_id: str, stream: str, source: str) -> SourceState | None:
        return self._sources.get((invocation_id, stream, source))

    def add(
        self, invocation_id: str, stream: str, source: str, state: SourceState, events: Sequence[StreamEvent]
    ) -> None:
        self._sources[invocation_id, stream, source] = state
        self._events.setdefault((invocation_id, stream), []).extend(events)

    def read(self, invocation_id: str, stream: str, start: int, count: int) -> list[StreamEvent]:
        events = self._events.get((invocation_id, stream), [])[start : start + count]
        lengths = accumulate((len(event.payload) for event in events), initial=0)
        return [event for event, length in zip(events, lengths, strict=False) if length < STREAM_READ_BYTES]

    def delete_all(self, invocation_id: str) -> None:
        self._events = {key: events for key, events in self._events.items() if key[0] != invocation_id}
        self._sources = {key: state for key, state in self._sources.items() if key[0] != invocation_id}


class MemoryInboxes:
    """Implements `engine.core.transaction.Inboxes`."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], str] = {}
        self._waiting: list[tuple[str, str, str]] = []

    def holder(self, service: str, key: str) -> str | None:
        return self._locks.get((service, key))

    def lock(self, service: str, key: str, invocation_id: str) -> None:
        self._locks[service, key] = invocation_id

    def unlock(self, service: str, key: str) -> None:
        self._locks.pop((service, key), None)

    def enqueue(self, service: str, key: str, invocation_id: str) -> None:
        self._waiting.append((service, key, invocation_id))

    def dequeue(self, service: str, key: str) -> str | None:
        for place, (at_service, at_key, invocation_id) in enumerate(self._waiting):
            if (at_service, at_key) == (service, key):
                del self._waiting[place]
                return invocation_id
        return None

    def leave(self, invocation_id: str) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting[2] != invocation_id]


class MemoryStates:
    """Implements `engine.core.transaction.States`."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], dict[bytes, bytes]] = {}

    def get(self, service: str, key: str, name: bytes) -> bytes | None:
        return self._objects.get((service, key), {}).get(name)

    def all(self, service: str, key: str) -> dict[bytes, bytes]:
        return dict(sorted(self._objects.get((service, key), {}).items()))

    def names(self, service: str, key: str) -> list[bytes]:
        return list(self.all(service, key))

    def size_bytes(self, service: str, key: str) -> int:
        return sum(len(name) + len(value) for name, value in self.all(service, key).items())

    def set(self, service: str, key: str, name: bytes, value: bytes) -> None:
        self._objects.setdefault((service, key), {})[name] = value

    def clear(self, service: str, key: str, name: bytes) -> None:
        self._objects.get((service, key), {}).pop(name, None)

    def clear_all(self, service: str, key: str) -> None:
        self._objects.pop((service, key), None)


class MemoryPromises:
    """Implements `engine.core.transaction.Promises`."""

    def __init__(self) -> None:
        self._results: dict[tuple[str, str, str], Result] = {}
        self._waiting: list[tuple[tuple[str, str, str], str, int]] = []

    def get(self, service: str, key: str, name: str) -> Result | None:
        return self._results.get((service, key, name))

    def complete(self, service: str, key: str, name: str, result: Result) -> None:
        self._results[service, key, name] = result

    def add_waiter(self, service: str, key: str, name: str, invocation_id: str, completion_id: int) -> None:
        waiting = ((service, key, name), invocation_id, completion_id)
        if waiting not in self._waiting:
            self._waiting.append(waiting)

    def take_waiters(self, service: str, key: str, name: str) -> list[tuple[str, int]]:
        promise = (service, key, name)
        taken = [(who, number) for which, who, number in self._waiting if which == promise]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] != promise]
        return taken

    def delete_all(self, service: str, key: str) -> None:
        self._results = {k: v for k, v in self._results.items() if k[:2] != (service, key)}
        self._waiting = [waiting for waiting in self._waiting if waiting[0][:2] != (service, key)]

    def forget_waiter(self, invocation_id: str) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting[1] != invocation_id]
