"""The real engine, on a store in memory that outlives it, with a fuse at every point where it could die."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from perdure.engine.core.actions import Action
from perdure.engine.core.inputs import Input
from perdure.engine.core.model import Entry, Invocation
from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.storage.migrations import migrate
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import StoreFailed
from perdure.testing.simulator.ledger import Ledger, Write
from perdure.testing.simulator.power import Fuse


class Disk:
    """The file, and what can go wrong with it."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
        migrate(self.connection)
        self.is_full = False
        """The next commit is refused."""

    def close(self) -> None:
        self.connection.close()


class ObservedStore(SqliteStore):
    """Tells the ledger what was committed."""

    def __init__(self, disk: Disk, ledger: Ledger, fuse: Fuse, clock_ms: Callable[[], int]) -> None:
        super().__init__(disk.connection)
        self._disk = disk
        self._ledger = ledger
        self._fuse = fuse
        self._clock_ms = clock_ms
        self._writes: list[Write] = []

    def transact(self, work: Callable[[], None]) -> None:
        self._fuse.point()
        self._writes = []
        super().transact(work if not self._disk.is_full else lambda: self._refuse(work))
        self._ledger.committed(self._writes, self._clock_ms())
        self._fuse.point()

    def _refuse(self, work: Callable[[], None]) -> None:
        """As SQLite does: late, when all has been written but not committed."""
        self._disk.is_full = False
        work()
        raise sqlite3.OperationalError("database or disk is full")

    def put_invocation(self, invocation: Invocation) -> None:
        super().put_invocation(invocation)
        self._writes.append((invocation.id, invocation))

    def append(self, invocation_id: str, entry: Entry) -> None:
        super().append(invocation_id, entry)
        self._writes.append((invocation_id, entry))

    def delete_invocation(self, invocation_id: str) -> None:
        super().delete_invocation(invocation_id)
        self._writes.append((invocation_id, None))


class ObservedEngine(Engine):
    """One life of the engine."""

    def __init__(
        self, disk: Disk, ledger: Ledger, fuse: Fuse, clock_ms: Callable[[], int], options: EngineOptions
    ) -> None:
        @contextmanager
        def open_store(data_dir: Path) -> Iterator[SqliteStore]:
            yield ObservedStore(disk, ledger, fuse, clock_ms)

        super().__init__(options, clock_ms, open_store)
        self._ledger = ledger
        self._fuse = fuse

    def _perform(self, action: Action) -> None:
        self._fuse.point()
        self._ledger.acts(action)
        super()._perform(action)

    def _failed(self, event: Input, error: Exception) -> None:
        self._ledger.check(isinstance(error, StoreFailed), f"no rule could apply {event!r}: {error!r}")
        super()._failed(event, error)
