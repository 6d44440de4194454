"""Copy the data file of an engine, running or not.

SQLite's backup API reads one snapshot: what was committed when the copy began is in it, whole, and nothing
later. A reader of a WAL file does not hold up the writer; the engine goes on meanwhile, and its log grows.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from perdure.engine.storage.maintenance import existing_file
from perdure.errors import EngineError, StoreFailed


def backup(data_dir: Path, destination: Path) -> int:
    """Copy the data file to `destination`, which must not exist; its bytes.

    The copy appears there when it is complete and on disk, or not at all.

    Raises:
        EngineError: there is no data file, or the destination exists.
        StoreFailed: the disk refused.
    """
    source = existing_file(data_dir)
    if destination.exists():
        raise EngineError(f"{destination} exists: a backup overwrites nothing, name another file")
    partial = destination.with_name(f"{destination.name}.partial-{os.getpid()}")
    try:
        _copy(source, partial)
        # A link and not a rename, which would overwrite what somebody has put there meanwhile.
        os.link(partial, destination)
        _sync(destination.parent)
    except FileExistsError:
        raise EngineError(f"{destination} exists: a backup overwrites nothing, name another file") from None
    except (OSError, sqlite3.Error) as error:
        raise StoreFailed(f"cannot back up {source} to {destination}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return destination.stat().st_size


def _copy(source: Path, destination: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reader,
        closing(sqlite3.connect(destination, isolation_level=None)) as writer,
    ):
        reader.backup(writer)
        # One file that is complete by itself; the engine that opens it goes back to a log of its own.
        writer.execute("PRAGMA journal_mode = DELETE")
    _sync(destination)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
