"""How long a client waits before it tries again, and when it gives up."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from perdure.errors import ConnectionLost


@dataclass(frozen=True, slots=True)
class Backoff:
    """The n-th pause in a row is `first_ms` times 2^n, at most `max_ms`, and by chance up to half shorter, so
    that clients that lost one engine do not come back to it all at once.

    give_up_after_s: how long nothing may answer. None: for ever.
    """

    first_ms: int = 50
    max_ms: int = 5_000
    give_up_after_s: float | None = 60.0

    def pause_s(self, failures: int) -> float:
        """Before the next try, after so many failures in a row, counted from 1."""
        # the exponent is bounded: 2.0 ** 1024 is an OverflowError
        longest_ms = min(self.max_ms, self.first_ms * 2.0 ** min(failures - 1, 30))
        return longest_ms / 1000 * random.uniform(0.5, 1)


class Tries:
    """The tries of one request, or of one reader of a stream."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self._silent_since: float | None = None

    def answered(self) -> None:
        """The ingress is there. Pauses still grow: it may answer and say nothing, over and over."""
        self._silent_since = None

    def progressed(self) -> None:
        self._failures = 0
        self._silent_since = None

    async def pause(self, problem: str, cause: Exception | None = None) -> None:
        """Wait before the next try. Raises ConnectionLost when it is time to give up."""
        self._failures += 1
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        patience_s = self._backoff.give_up_after_s
        pause_s = self._backoff.pause_s(self._failures)
        if patience_s is not None and now + pause_s - self._silent_since > patience_s:
            raise ConnectionLost(f"{problem}, for {patience_s:g} s") from cause
        await asyncio.sleep(pause_s)
