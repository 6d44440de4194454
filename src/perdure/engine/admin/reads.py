"""Reads of people who look, for the admin API: in threads, beside the engine's loop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.responses import Response

from perdure.engine.storage.read_only import read_only

Json = dict[str, object]


class Reads:
    """Answers with what is in the data file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Two: a search of all targets does not keep a page waiting.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="perdure-admin-read")

    async def answer(self, read: Callable[[sqlite3.Connection], Json]) -> Response:
        """What `read` makes of the file. Its JSON may be megabytes, so it is made in the thread too."""

        def encoded(file: sqlite3.Connection) -> bytes:
            return json.dumps(read(file), ensure_ascii=False).encode(errors="backslashreplace")

        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._threads, read_only, self._path, encoded)
        return Response(body, media_type="application/json")
