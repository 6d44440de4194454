"""A disk that refuses a write costs what was being written, and nothing that was acknowledged before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from perdure.engine.core.model import Entry, Invocation, Status, Target
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import StoreFailed

resource = pytest.importorskip("resource")

Refusal = Callable[[SqliteStore, Path], AbstractContextManager[None]]


@contextmanager
def the_database_may_not_grow(store: SqliteStore, data_dir: Path) -> Iterator[None]:
    """SQLite refuses: SQLITE_FULL, while the transaction writes."""
    connection = store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    yield
    connection.execute("PRAGMA max_page_count = 1073741823")


@contextmanager
def the_system_refuses_to_write(store: SqliteStore, data_dir: Path) -> Iterator[None]:
    """The operating system refuses: no file may grow beyond a size that the log reaches soon."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log_bytes = (data_dir / f"{FILE_NAME}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log_bytes + 100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("refusal", [the_database_may_not_grow, the_system_refuses_to_write])
def test_nothing_acknowledged_is_lost_and_the_store_works_again(tmp_path: Path, refusal: Refusal) -> None:
    acknowledged: list[Entry] = []
    latest = Invocation("a", Target("S", "h"), Status.RUNNING, 0, 0)

    def write(store: SqliteStore) -> None:
        """A step: its entry, and its invocation a little further."""
        nonlocal latest
        number = len(acknowledged)
        entry = Entry(0x0411, number.to_bytes(2, "big") * 3000, number)
        step = replace(latest, attempt=latest.attempt + 1)

        def work() -> None:
            store.put_invocation(step)
            store.append("a", entry)

        store.transact(work)
        acknowledged.append(entry)
        latest = step

    def write_until_refused(store: SqliteStore) -> None:
        while len(acknowledged) < 200:
            write(store)

    with SqliteStore.open(tmp_path) as store:
        write(store)
        with refusal(store, tmp_path):
            with pytest.raises(StoreFailed, match="the store cannot be written"):
                write_until_refused(store)
            assert 1 < len(acknowledged) < 200
            for _ in range(3):  # and it stays refused, and stays readable
                with pytest.raises(StoreFailed):
                    write(store)
                assert store.journal("a") == acknowledged
                assert store.journal_length("a") == len(acknowledged)
                assert store.invocation("a") == latest
        for _ in range(30):
            write(store)
        assert store.journal("a") == acknowledged

    with SqliteStore.open(tmp_path) as store:
        assert store.journal("a") == acknowledged
        assert store.invocation("a") == latest
        assert sqlite3.connect(tmp_path / FILE_NAME).execute("PRAGMA integrity_check").fetchone() == ("ok",)
