"""A newer perdure brings an older file to its own format: each step wholly, or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from perdure.engine.core.model import Entry
from perdure.engine.storage import migrations
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.invocation_list import Wanted, counts
from perdure.engine.storage.read_only import read_only
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import StoreFailed, StoreTooNew

NEXT = "CREATE TABLE note (text TEXT); INSERT INTO note VALUES ('migrated')"
DEFECTIVE = "CREATE TABLE half (text TEXT); INSERT INTO nowhere VALUES (1)"


@pytest.fixture
def older(tmp_path: Path) -> tuple[Path, int]:
    """A data directory that today's perdure has written, and its format."""
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.append("a", Entry(1, b"kept", 0)))
    return tmp_path, len(migrations._STEPS)


def look(data_dir: Path, query: str) -> list[tuple[object, ...]]:
    raw = sqlite3.connect(data_dir / FILE_NAME)
    try:
        return raw.execute(query).fetchall()
    finally:
        raw.close()


def test_only_what_is_missing_runs_and_the_data_stays(older, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir, format_before = older
    monkeypatch.setattr(migrations, "_STEPS", (*migrations._STEPS, NEXT))
    for _ in range(2):  # the second time there is nothing to do
        with SqliteStore.open(data_dir) as store:
            assert store.journal("a") == [Entry(1, b"kept", 0)]
    assert look(data_dir, "SELECT text FROM note") == [("migrated",)]
    assert look(data_dir, "PRAGMA user_version") == [(format_before + 1,)]


def test_a_step_that_fails_leaves_nothing_of_itself(older, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir, format_before = older
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "_STEPS", (*migrations._STEPS, NEXT, DEFECTIVE))
        with pytest.raises(StoreFailed, match="no such table: nowhere"), SqliteStore.open(data_dir):
            pass

    # The step before it is whole, and its number was written with it.
    assert look(data_dir, "PRAGMA user_version") == [(format_before + 1,)]
    assert look(data_dir, "SELECT text FROM note") == [("migrated",)]
    assert look(data_dir, "SELECT name FROM sqlite_master WHERE name = 'half'") == []
    with pytest.raises(StoreTooNew), SqliteStore.open(data_dir):  # for this version is the older one now
        pass


def test_invocations_of_before_are_in_the_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(migrations, "_STEPS", migrations._STEPS[:2])
        with SqliteStore.open(tmp_path):
            pass
    raw = sqlite3.connect(tmp_path / FILE_NAME)
    for name, failure in (("a", None), ("b", '{"code": 500, "message": "x", "metadata": []}')):
        raw.execute(
            "INSERT INTO invocation (id, service, handler, key, status, created_at_ms, modified_at_ms, "
            "attempt, retry_count, failed_at_length, exclusive, result_failure) "
            "VALUES (?, 'S', 'h', '', 'completed', 1, 1, 1, 0, 0, 0, ?)",
            (name, failure),
        )
    raw.commit()
    raw.close()
    with SqliteStore.open(tmp_path):
        found = read_only(tmp_path / FILE_NAME, lambda file: counts(file, Wanted(), 10))
    assert (found["succeeded"], found["failed"]) == (1, 1)
