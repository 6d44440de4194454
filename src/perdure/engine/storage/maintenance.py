"""Give unused space back to the disk.

Space that purged invocations leave is used again by SQLite, so a file that has grown to what the work needs
stays as it is. After a flood it may be worth rewriting. That takes an exclusive lock for as long as it takes
to copy the whole file, which no invocation should wait for: it is for a directory that no engine has open.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from perdure.engine.storage.connection import FILE_NAME, open_connection
from perdure.errors import EngineError, StoreFailed


def vacuum(data_dir: Path) -> tuple[int, int]:
    """Rewrite the file without its unused pages; its bytes before and after.

    Raises:
        EngineError: there is no data file.
        StoreFailed: the disk refused: it has no room for the copy, say.
        DataDirLocked: an engine has the directory open.
        StoreTooNew: a newer version wrote the file.
    """
    path = existing_file(data_dir)
    before = _bytes_of(path)
    with open_connection(data_dir) as connection:
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise StoreFailed(f"cannot vacuum {path}: {error}; nothing has changed") from error
    return before, _bytes_of(path)


def existing_file(data_dir: Path) -> Path:
    """The data file. Raises EngineError where there is none: looking must not make one."""
    path = data_dir / FILE_NAME
    if not path.is_file():
        raise EngineError(f"no data in {data_dir}: name the engine's data directory with --data-dir")
    return path


def _bytes_of(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)
