"""Reads of people who look: beside the writer, on a connection of their own, which can only read.

WAL gives such a read one snapshot of what is committed, and the engine goes on meanwhile. A connection for
each read: opening one costs less than a millisecond, and there is nothing to keep, to share or to close.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from perdure.errors import RequestError, StoreFailed

T = TypeVar("T")

TIME_LIMIT_S = 10.0
_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's machine: about a millisecond


def read_only(path: Path, read: Callable[[sqlite3.Connection], T], time_limit_s: float = TIME_LIMIT_S) -> T:
    """What `read` makes of the file, in one transaction.

    Raises:
        RequestError: 400 after `time_limit_s`.
        StoreFailed: the file cannot be read.
    """
    deadline = time.monotonic() + time_limit_s
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
            connection.execute("BEGIN")
            return read(connection)
    except sqlite3.OperationalError as error:
        if time.monotonic() > deadline:
            raise RequestError(
                400, f"this took longer than {time_limit_s:g} s: ask for less, by time, status or service"
            ) from error
        raise StoreFailed(f"cannot read {path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreFailed(f"cannot read {path}: {error}") from error
