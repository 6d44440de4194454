"""Answers that cost much, asked for by every open tab every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

TIMES = 4
"""An answer is kept for so many times as long as it took: finding it takes a fifth of the time at most."""


class Remembered(Generic[Key, Answer]):
    """`await remembered(key)`: what `find(key)` answers, found once for all who ask at the same time.

    Who no longer waits does not stop it. An error is told to all who wait, and not kept.
    """

    def __init__(self, find: Callable[[Key], Awaitable[Answer]]) -> None:
        self._find = find
        self._kept: dict[Key, tuple[float, Answer]] = {}
        self._finding: dict[Key, asyncio.Task[Answer]] = {}

    async def __call__(self, key: Key) -> Answer:
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        if key not in self._finding:
            task = self._finding[key] = asyncio.create_task(self._found(key))
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await asyncio.shield(self._finding[key])

    async def _found(self, key: Key) -> Answer:
        begin = time.monotonic()
        try:
            answer = await self._find(key)
            now = time.monotonic()
            self._kept[key] = (now + TIMES * (now - begin), answer)
            return answer
        finally:
            del self._finding[key]
