"""The store's memory twin, for tests of the rules: same contract, no file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

from perdure.engine.core.model import Entry, Invocation, Timer, Waiter
from perdure.protocol.discovery import HandlerManifest, Manifest


class MemoryStore:
    """Implements `engine.core.transaction.Transaction`. `manifest` is what its one deployment serves."""

    def __init__(self, manifest: Manifest | None = None) -> None:
        self.manifest = manifest
        self._invocations: dict[str, Invocation] = {}
        self._journals: dict[str, list[Entry]] = {}
        self._timers: set[Timer] = set()
        self._waiters: list[Waiter] = []

    def transact(self, work: Callable[[], None]) -> None:
        """All of `work`, or nothing of it."""
        before = copy.copy(self.__dict__)
        self._invocations = dict(self._invocations)
        self._journals = {key: list(entries) for key, entries in self._journals.items()}
        self._timers = set(self._timers)
        self._waiters = list(self._waiters)
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
        self.remove_timers(invocation_id)
        self._waiters = [w for w in self._waiters if invocation_id not in (w.invocation_id, w.waiter_id)]

    def append(self, invocation_id: str, entry: Entry) -> None:
        self._journals.setdefault(invocation_id, []).append(entry)

    def journal(self, invocation_id: str) -> list[Entry]:
        return list(self._journals.get(invocation_id, ()))

    def journal_length(self, invocation_id: str) -> int:
        return len(self._journals.get(invocation_id, ()))

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

    # ---- what a runtime asks besides

    def timers(self) -> list[Timer]:
        """All timers, the earliest first."""
        return sorted(self._timers)
