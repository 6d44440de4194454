"""Open the one file, alone.

WAL with synchronous=FULL: a commit is one fdatasync of the log, and it survives a power cut. The lock is
an advisory lock on a file beside it, held by the open descriptor: the kernel drops it when the process dies,
however it dies, so there is no stale lock to clean up. A forked child (a handler's process pool, say) would
inherit the lock and outlive us with it, so it lets go of it at once. SQLite's own exclusive mode was
rejected: it would also keep people from reading the file while the engine runs.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from perdure.engine.storage.migrations import migrate
from perdure.errors import DataDirLocked, StoreFailed

FILE_NAME = "perdure.sqlite"
_LOCK_NAME = "perdure.lock"

_held: set[int] = set()
"""Descriptors of the locks that this process holds."""


def _let_go() -> None:
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def open_connection(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """The connection, migrated, in autocommit mode; locked against other engines while it is open.

    Raises:
        DataDirLocked: another engine has the directory open.
        StoreTooNew: a newer version wrote the file.
        StoreFailed: the directory or the file cannot be used.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreFailed(f"cannot use the data directory {data_dir}: {error.strerror}") from error
    _held.add(lock)
    try:
        _lock(lock, data_dir)
        connection = _connect(data_dir / FILE_NAME)
        try:
            yield connection
        finally:
            connection.close()
    finally:
        if lock in _held:  # else we are a child, and this may be another file's descriptor by now
            _held.remove(lock)
            os.close(lock)


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        raise DataDirLocked(
            f"another engine (process {owner}) has {data_dir} open: stop it, or choose another --data-dir"
        ) from None
    with suppress(
        OSError
    ):  # on a full disk, say: our name is for the message above, and not worth failing for
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _connect(path: Path) -> sqlite3.Connection:
    with ExitStack() as undo:
        try:
            connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
            undo.callback(connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cache_size = -65536")  # KiB
            migrate(connection)
        except sqlite3.Error as error:
            raise StoreFailed(f"cannot open {path}: {error}") from error
        undo.pop_all()
        return connection
