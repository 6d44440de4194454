"""What must be so, whatever happens: held against everything that the engine commits, and everything it does.

The ledger keeps its own copy of what was committed, built from the writes themselves. So it knows what a
crash must not take away, and what nobody may act on yet.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from perdure.engine.core.actions import Action, Complete, ConfirmRun, Deliver, Reply, StartAttempt
from perdure.engine.core.model import Entry, Invocation, Result, Status
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.messages import MessageType, is_notification
from perdure.protocol.proto import service_protocol_pb2 as pb

Write = tuple[str, Invocation | Entry | None]
"""(invocation id, its new row | an entry of its journal | None: it was deleted)."""

_UNSTARTED = (Status.SCHEDULED, Status.PENDING)


class Ledger:
    """`broken` collects what went wrong, the first cause first."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.rows: dict[str, Invocation] = {}
        self.journals: defaultdict[str, list[Entry]] = defaultdict(list)
        self._notified: dict[tuple[str, str, int | str], bytes] = {}
        self._wakes: dict[tuple[str, int], int] = {}
        self._admitted: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._answered: dict[str, Result] = {}
        self._increments: Counter[tuple[str, str]] = Counter()
        self._heard: defaultdict[str, list[object]] = defaultdict(list)

    def check(self, holds: object, what: str) -> None:
        if not holds:
            self.broken.append(what)

    # ---- what the engine commits

    def committed(self, writes: list[Write], now_ms: int) -> None:
        """One transaction, its writes in order."""
        for invocation_id, written in writes:
            if isinstance(written, Invocation):
                self._put(written, now_ms)
            elif written is not None:
                self._append(invocation_id, written, now_ms)
            else:
                self._delete(invocation_id)

    def _put(self, new: Invocation, now_ms: int) -> None:
        old = self.rows.get(new.id)
        self.rows[new.id] = new
        if old is not None and old.status is Status.COMPLETED:
            self.check(
                (new.status, new.result) == (old.status, old.result),
                f"{new.id} has a second outcome: {new.status} {new.result} after {old.result}",
            )
            return
        if new.exclusive:
            self._admit(old, new)
        started = new.status is Status.RUNNING and new.attempt == 1
        if started and new.scheduled_at_ms is not None:
            self.check(now_ms >= new.scheduled_at_ms, f"{new.id} starts before its time")

    def _admit(self, old: Invocation | None, new: Invocation) -> None:
        """Who is admitted first runs first, and alone."""
        line = self._admitted[new.target.service, new.target.key]
        if new.id not in line and new.status in (Status.PENDING, Status.RUNNING):
            line.append(new.id)
        if new.status is Status.RUNNING and (old is None or old.status in _UNSTARTED):
            for earlier in line[: line.index(new.id)]:
                self.check(
                    self._is_over(earlier), f"{new.id} runs on {new.target} before {earlier} has completed"
                )

    def _is_over(self, invocation_id: str) -> bool:
        row = self.rows.get(invocation_id)
        return row is None or row.status is Status.COMPLETED

    def _append(self, invocation_id: str, entry: Entry, now_ms: int) -> None:
        self.check(
            invocation_id not in self.rows or self.rows[invocation_id].status is not Status.COMPLETED,
            f"the journal of {invocation_id} grows after its end",
        )
        self.journals[invocation_id].append(entry)
        if entry.type == MessageType.SLEEP:
            sleep = pb.SleepCommand.FromString(entry.payload)
            self._wakes[invocation_id, sleep.result_completion_id] = sleep.wake_up_time
        if entry.type == MessageType.SET_STATE:
            target = self.rows[invocation_id].target
            self._increments[target.service, target.key] += 1
        if not is_notification(entry.type):
            return
        message = pb.Notification.FromString(entry.payload)
        which = message.WhichOneof("id") or ""
        name = invocation_id, which, getattr(message, which)
        if which == "completion_id" or message.signal_id != 1:  # a cancellation may be asked for again
            self.check(name not in self._notified, f"{name} is journaled twice")
        self._notified[name] = entry.payload
        if entry.type == MessageType.SLEEP_COMPLETION:
            wake = self._wakes[invocation_id, message.completion_id]
            self.check(now_ms >= wake, f"sleep {message.completion_id} of {invocation_id} ends early")

    def _delete(self, invocation_id: str) -> None:
        row = self.rows.pop(invocation_id, None)
        self.check(
            row is None or row.status is Status.COMPLETED, f"{invocation_id} is deleted before it completed"
        )
        self.journals.pop(invocation_id, None)
        self._answered.pop(invocation_id, None)
        self._heard.pop(invocation_id, None)
        self._notified = {name: kept for name, kept in self._notified.items() if name[0] != invocation_id}
        for line in self._admitted.values():
            if invocation_id in line:
                line.remove(invocation_id)

    # ---- what the engine does

    def acts(self, action: Action) -> None:
        """Nothing leaves the engine before the row that explains it is committed."""
        match action:
            case StartAttempt(invocation_id, attempt):
                row = self.rows.get(invocation_id)
                self.check(
                    row is None or row.attempt >= attempt,
                    f"attempt {attempt} of {invocation_id} is not on disk",
                )
            case Deliver(invocation_id, _, payload, _):
                self._is_journaled(invocation_id, payload)
            case ConfirmRun(invocation_id, proposed):
                self._is_journaled(invocation_id, proposed.payload)
            case Complete(invocation_id, result):
                row = self.rows.get(invocation_id)
                self.check(row is None or row.result == result, f"{invocation_id} is answered too early")
            case Reply() | _:
                pass

    def _is_journaled(self, invocation_id: str, payload: bytes) -> None:
        journal = self.journals.get(invocation_id)
        self.check(
            journal is None or any(entry.payload == payload for entry in journal),
            f"{invocation_id} is told what is not in its journal",
        )

    # ---- what handlers and clients see

    def heard(self, invocation_id: str, place: int, what: object) -> None:
        """Notification number `place` is the same in every attempt: order, value and all."""
        heard = self._heard[invocation_id]
        if place < len(heard):
            self.check(
                heard[place] == what,
                f"{invocation_id} hears {what} as number {place}, and heard {heard[place]} before",
            )
        else:
            heard.append(what)

    def acknowledged(self, invocation_id: str) -> None:
        """A client was told that its request is accepted."""
        self.check(invocation_id in self.rows, f"{invocation_id} was acknowledged and is not on disk")

    def answered(self, invocation_id: str, result: Result) -> None:
        """A client has a result: all that ask for it get the same."""
        first = self._answered.setdefault(invocation_id, result)
        self.check(first == result, f"{invocation_id} has two results: {first} and {result}")
        row = self.rows.get(invocation_id)
        self.check(row is None or row.result == result, f"{invocation_id} was answered with what it has not")

    # ---- after a crash, and in the end

    def compare(self, store: SqliteStore) -> None:
        """The store remembers all that was committed, and nothing else."""
        for row in self.rows.values():
            self.check(store.invocation(row.id) == row, f"the store has another row of {row.id}")
            self.check(
                store.journal(row.id) == self.journals[row.id], f"the store has another journal of {row.id}"
            )

    def close(self, store: SqliteStore) -> None:
        """All is quiet: every invocation has its outcome, and nothing is left over."""
        self.compare(store)
        for row in self.rows.values():
            self.check(row.status is Status.COMPLETED, f"{row.id} ({row.target}) is {row.status} for ever")
            for waiter in store.awaited_by(row.id):
                self.check(waiter.invocation_id not in self.rows, f"{row.id} still waits: {waiter}")
        for (service, key), counted in self._increments.items():
            kept = int(store.states.get(service, key, b"n") or b"0")
            self.check(kept == counted, f"{service}/{key} counted to {kept}, after {counted} increments")
