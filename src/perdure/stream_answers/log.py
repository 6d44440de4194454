"""What an answer needs of a stream."""

from __future__ import annotations

from typing import Protocol

from perdure.streams.events import StreamEvent


class Log(Protocol):
    """One stream of one invocation: its events and, once the invocation has completed, `end` behind them.

    Each raises RequestError(404) when there is no such invocation, or none any more.
    """

    async def extent(self) -> tuple[int, bool]:
        """(how many events there are, `end` counted; whether the last of them is `end`)"""

    async def read(self, start: int, count: int) -> list[StreamEvent]:
        """At most `count` events from `start` on: those that there are, maybe none."""

    async def grown(self, index: int) -> None:
        """Returns once there is an event at `index`. May be cancelled at any time."""
