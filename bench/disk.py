"""The physical limit: how long this disk takes to make one appended page durable."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

_PAGE = b"\xa5" * 4096  # a page of SQLite's, and more than a step's journal entry


def fdatasync_us(directory: Path, samples: int = 500) -> float:
    """Median microseconds of appending a page to a file in `directory` and `fdatasync`."""
    durations = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(samples):
            begin = time.perf_counter()
            os.write(file.fileno(), _PAGE)
            os.fdatasync(file.fileno())
            durations.append(time.perf_counter() - begin)
    return statistics.median(durations) * 1e6
