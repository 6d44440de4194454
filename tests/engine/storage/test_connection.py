"""One engine a data directory; a file that survives its owner; a format that is known."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perdure.engine.core.model import Entry
from perdure.engine.storage.connection import FILE_NAME, open_connection
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import DataDirLocked, StoreFailed, StoreTooNew

OWNER = """
import sys
from pathlib import Path
from perdure.engine.core.model import Entry
from perdure.engine.storage.sqlite_store import SqliteStore

with SqliteStore.open(Path(sys.argv[1])) as store:
    store.transact(lambda: store.append("a", Entry(1, b"kept", 0)))
    {then}
"""
WAITS = 'print("ready", flush=True); sys.stdin.read()'
FORKS = """
    import os, time
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)  # by itself: until it runs it has its parent's lock
        os.close(0), os.close(1)
        time.sleep(60)
        os._exit(0)
    sys.stdin.read()
"""


@contextmanager
def owner(data_dir: Path, then: str = WAITS) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that has the directory open, and its first line of output."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER.replace("{then}", then.strip()), str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_second_opener_in_this_process_is_refused(tmp_path: Path) -> None:
    with open_connection(tmp_path):
        with pytest.raises(DataDirLocked, match=f"process {os.getpid()}"), open_connection(tmp_path):
            pass
        with pytest.raises(DataDirLocked), open_connection(tmp_path):
            pass
    with open_connection(tmp_path):
        pass


def test_a_second_engine_is_refused_and_told_who_has_the_first(tmp_path: Path) -> None:
    with owner(tmp_path) as (process, ready):
        assert ready == "ready"
        with pytest.raises(DataDirLocked) as refused, open_connection(tmp_path):
            pass
        assert str(refused.value) == (
            f"another engine (process {process.pid}) has {tmp_path} open: "
            "stop it, or choose another --data-dir"
        )


def test_the_lock_dies_with_its_owner_and_what_was_committed_does_not(tmp_path: Path) -> None:
    with owner(tmp_path) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        with SqliteStore.open(tmp_path) as store:
            assert store.journal("a") == [Entry(1, b"kept", 0)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_lock_dies_with_its_owner_also_when_its_children_live_on(tmp_path: Path) -> None:
    """A handler's process pool, say: the kernel gives a forked child its parent's locks too."""
    with owner(tmp_path, FORKS) as (process, child):
        try:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            os.kill(int(child), 0)  # the child lives
            with open_connection(tmp_path):
                pass
        finally:
            os.kill(int(child), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_lock_stays_with_its_owner_when_its_children_end(tmp_path: Path) -> None:
    with open_connection(tmp_path):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        with owner(tmp_path) as (process, ready):
            assert ready == ""  # it was refused
            assert process.wait(10) == 1


def test_people_may_read_the_file_while_the_engine_runs(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.append("a", Entry(1, b"x", 0)))
        reader = sqlite3.connect(f"file:{tmp_path / FILE_NAME}?mode=ro", uri=True)
        assert reader.execute("SELECT payload FROM journal").fetchall() == [(b"x",)]
        reader.close()


def test_a_commit_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    with open_connection(tmp_path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.isolation_level is None, "sqlite3 must not open transactions of its own"


# ---- format


def test_a_new_directory_is_made_with_its_parents_and_gets_the_newest_format(tmp_path: Path) -> None:
    with open_connection(tmp_path / "deep" / "down") as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        assert [name for (name,) in names] == sorted(
            [
                *("deployment", "invocation", "journal", "journal_whole", "result_whole", "timer", "waiter"),
                *("lock", "inbox", "state", "promise", "promise_waiter", "attempt_failure"),
                *("stream_event", "stream_source", "awakeable"),
            ]
        )
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert version >= 1
    with open_connection(tmp_path / "deep" / "down") as connection:  # nothing to do the second time
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)


def test_a_file_of_a_newer_perdure_is_left_alone(tmp_path: Path) -> None:
    with open_connection(tmp_path) as connection:
        (current,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreTooNew, match=r"format 999.*run the newer perdure"), open_connection(tmp_path):
        pass
    raw = sqlite3.connect(tmp_path / FILE_NAME)
    assert raw.execute("PRAGMA user_version").fetchone() == (999,)
    raw.execute(f"PRAGMA user_version = {current}")
    raw.close()
    with open_connection(tmp_path):  # and the refused attempt left no lock behind
        pass


def open_files(directory: Path) -> list[str]:
    links = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return [link for link in links if link.startswith(str(directory))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_refused_file_is_closed_again(tmp_path: Path) -> None:
    with open_connection(tmp_path) as connection:
        connection.execute("PRAGMA user_version = 999")
    assert open_files(tmp_path) == []
    with pytest.raises(StoreTooNew) as refused, open_connection(tmp_path):
        pass
    assert open_files(tmp_path) == []
    del refused


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is a diary, not a database. " * 100)
    with pytest.raises(StoreFailed, match=r"cannot open .*not a database"), open_connection(tmp_path):
        pass


def test_a_directory_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreFailed, match="cannot use the data directory"),
        open_connection(tmp_path / "file"),
    ):
        pass
