"""A copy of the data is whole, complete and somewhere else; and a file shrinks only when told to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from perdure.engine.core.model import Entry
from perdure.engine.storage.backup import backup
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.maintenance import vacuum
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import DataDirLocked, EngineError, StoreFailed


@contextmanager
def filled(data_dir: Path, entries: int = 100) -> Iterator[SqliteStore]:
    """An open store with journal entries of 1,000 bytes."""
    with SqliteStore.open(data_dir) as store:
        for number in range(entries):
            store.transact(lambda number=number: store.append(f"inv_{number}", Entry(1, b"x" * 1_000, 0)))
        yield store


def ids(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {row[0] for row in connection.execute("SELECT invocation_id FROM journal")}


def test_a_copy_has_what_was_committed_and_is_one_file(tmp_path: Path) -> None:
    there = tmp_path / "copy.sqlite"
    with filled(tmp_path / "data") as store:
        length = backup(tmp_path / "data", there)  # most of it is still in the log
        store.transact(lambda: store.append("later", Entry(1, b"", 0)))

    assert length == there.stat().st_size
    assert ids(there) == {f"inv_{number}" for number in range(100)}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy.sqlite"]


def test_what_is_not_committed_is_not_copied(tmp_path: Path) -> None:
    with filled(tmp_path / "data", entries=3) as store:

        def half_done() -> None:
            store.append("half", Entry(1, b"", 0))
            backup(tmp_path / "data", tmp_path / "copy")

        store.transact(half_done)
    assert ids(tmp_path / "copy") == {"inv_0", "inv_1", "inv_2"}


def test_a_copy_is_a_data_file_that_an_engine_opens(tmp_path: Path) -> None:
    with filled(tmp_path / "data", entries=3):
        (tmp_path / "restored").mkdir()
        backup(tmp_path / "data", tmp_path / "restored" / FILE_NAME)
    with SqliteStore.open(tmp_path / "restored") as store:
        assert store.journal("inv_2") == [Entry(1, b"x" * 1_000, 0)]


def test_a_stopped_engines_data_can_be_copied_too(tmp_path: Path) -> None:
    with filled(tmp_path / "data", entries=3):
        pass
    backup(tmp_path / "data", tmp_path / "copy")
    assert len(ids(tmp_path / "copy")) == 3


def test_a_backup_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with filled(tmp_path / "data", entries=1), pytest.raises(EngineError, match="overwrites nothing"):
        backup(tmp_path / "data", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


def test_a_file_that_appears_while_we_copy_is_not_overwritten_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)  # what a racing writer makes of our first look
    (tmp_path / "copy").write_text("precious")
    with filled(tmp_path / "data", entries=1), pytest.raises(EngineError, match="overwrites nothing"):
        backup(tmp_path / "data", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]
    assert (tmp_path / "copy").read_text() == "precious"


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with filled(tmp_path / "data", entries=1), pytest.raises(StoreFailed, match="cannot back up"):
        backup(tmp_path / "data", tmp_path / "no such folder" / "copy")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / FILE_NAME).write_bytes(b"this is a diary, not a database. " * 100)
    with pytest.raises(StoreFailed, match="not a database"):
        backup(tmp_path / "broken", tmp_path / "copy")
    assert not any(path.name.startswith("copy") for path in tmp_path.iterdir())


@pytest.mark.parametrize("command", [vacuum, lambda data_dir: backup(data_dir, data_dir / "copy")])
def test_looking_for_data_makes_none(tmp_path: Path, command) -> None:
    with pytest.raises(EngineError, match=r"no data in .*nowhere: name the engine's data directory"):
        command(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_vacuum_gives_back_what_was_purged_and_keeps_the_rest(tmp_path: Path) -> None:
    with filled(tmp_path, entries=1_000) as store:

        def purge() -> None:
            for number in range(990):
                store.delete_invocation(f"inv_{number}")

        store.transact(purge)

    before, after = vacuum(tmp_path)

    assert after < before / 5
    assert after == (tmp_path / FILE_NAME).stat().st_size
    assert ids(tmp_path / FILE_NAME) == {f"inv_{number}" for number in range(990, 1_000)}


def test_vacuum_leaves_a_running_engine_alone(tmp_path: Path) -> None:
    with filled(tmp_path, entries=1), pytest.raises(DataDirLocked, match="stop it"):
        vacuum(tmp_path)
