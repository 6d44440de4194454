"""The store: the tables behind the rules' `Transaction`, and the transactions themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from perdure.engine.core.model import AttemptFailure, Entry, Invocation, Status, Timer, Waiter
from perdure.engine.storage.awakeables import Awakeables
from perdure.engine.storage.connection import open_connection
from perdure.engine.storage.deployments import Deployments
from perdure.engine.storage.failures import AttemptFailures
from perdure.engine.storage.inboxes import Inboxes
from perdure.engine.storage.invocations import Invocations
from perdure.engine.storage.journal import Journal
from perdure.engine.storage.promises import Promises
from perdure.engine.storage.states import States
from perdure.engine.storage.streams import Streams
from perdure.engine.storage.timers import Timers
from perdure.engine.storage.waiters import Waiters
from perdure.errors import StoreFailed
from perdure.protocol.discovery import HandlerManifest


class SqliteStore:
    """Implements `engine.core.transaction.Transaction`. Used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.invocations = Invocations(connection)
        self.journals = Journal(connection)
        self.timers = Timers(connection)
        self.waiters = Waiters(connection)
        self.deployments = Deployments(connection)
        self.inboxes = Inboxes(connection)
        self.states = States(connection)
        self.promises = Promises(connection)
        self.streams = Streams(connection)
        self.attempt_failures = AttemptFailures(connection)
        self.awakeables = Awakeables(connection)

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path) -> Iterator[SqliteStore]:
        """Open the file in `data_dir`. Raises what `open_connection` raises."""
        with open_connection(data_dir) as connection:
            yield cls(connection)

    def transact(self, work: Callable[[], None]) -> None:
        """Run `work` in one transaction and commit it: one fsync, whatever it holds.

        Raises:
            StoreFailed: the disk refused (it is full, say). All is rolled back, nothing is remembered.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            work()
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise StoreFailed(f"the store cannot be written: {error}") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreFailed(f"the store cannot be rolled back: {error}") from error
        self.invocations.forget()
        self.journals.forget()
        self.deployments.forget()

    # ---- Transaction

    def invocation(self, invocation_id: str) -> Invocation | None:
        return self.invocations.get(invocation_id)

    def put_invocation(self, invocation: Invocation) -> None:
        self.invocations.put(invocation)
        if invocation.status is not Status.RUNNING:
            self.journals.release(invocation.id)
        if invocation.status is Status.COMPLETED:
            self.awakeables.close_all(invocation.id, invocation.modified_at_ms)

    def delete_invocation(self, invocation_id: str) -> None:
        self.invocations.delete(invocation_id)
        self.delete_journal(invocation_id)
        self.attempt_failures.delete(invocation_id)
        self.streams.delete_all(invocation_id)
        self.timers.remove_all(invocation_id)
        self.waiters.remove_all(invocation_id)
        self.promises.forget_waiter(invocation_id)
        self.inboxes.leave(invocation_id)

    def append(self, invocation_id: str, entry: Entry) -> None:
        position = self.journals.append(invocation_id, entry)
        self.awakeables.appended(invocation_id, position, entry)
        if not self.invocations.is_running(invocation_id):
            self.journals.release(invocation_id)

    def journal(self, invocation_id: str) -> list[Entry]:
        return self.journals.read(invocation_id)

    def journal_length(self, invocation_id: str) -> int:
        return self.journals.length(invocation_id)

    def delete_journal(self, invocation_id: str) -> None:
        self.journals.delete(invocation_id)
        self.awakeables.delete(invocation_id)

    def add_failure(self, invocation_id: str, failure: AttemptFailure) -> None:
        self.attempt_failures.add(invocation_id, failure)

    def failures(self, invocation_id: str) -> list[AttemptFailure]:
        return self.attempt_failures.of(invocation_id)

    def add_timer(self, timer: Timer) -> None:
        self.timers.add(timer)

    def remove_timer(self, timer: Timer) -> bool:
        return self.timers.remove(timer)

    def remove_timers(self, invocation_id: str) -> None:
        self.timers.remove_all(invocation_id)

    def add_waiter(self, waiter: Waiter) -> None:
        self.waiters.add(waiter)

    def take_waiters(self, invocation_id: str) -> Iterable[Waiter]:
        return self.waiters.take(invocation_id)

    def awaited_by(self, waiter_id: str) -> Iterable[Waiter]:
        return self.waiters.awaited_by(waiter_id)

    def handler(self, service: str, handler: str) -> HandlerManifest | None:
        return self.deployments.handler(service, handler)

    def deployment_of(self, service: str) -> str | None:
        return self.deployments.for_new(service)

    def service_kind(self, service: str) -> str | None:
        found = self.deployments.of_service(service)
        return found[1].kind if found else None
