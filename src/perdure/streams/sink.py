"""Where a handler publishes: told by a header, and found without either half importing the other.

The embedded engine puts `HEADER` on each attempt. Its value is `local:<token>` for a handler in its own
process, which finds the sink in the registry, and `<url>;<token>` for one elsewhere, which posts there. No
header comes from restate-server.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from perdure.streams.append import Batch

HEADER = "x-perdure-stream"
LOCAL = "local:"


class AttemptOver(Exception):
    """The attempt that publishes is over, and what it still has to say counts no more."""


class Sink(Protocol):
    """The streams of one attempt of one invocation."""

    attempt: int
    """Number of that attempt of the invocation; what a later one publishes is newer."""

    def append(self, stream: str, batch: Batch) -> Awaitable[None]:
        """Returns when the events are on disk.

        Raises Gap; AttemptOver; ConnectionError when it cannot be told whether they are, or when the disk
        refuses them: then try again.
        """


_local: dict[str, Sink] = {}


def register(token: str, sink: Sink) -> str:
    """Let handlers in this process find `sink`. Returns the value for the header."""
    _local[token] = sink
    return LOCAL + token


def forget(token: str) -> None:
    """The attempt is over."""
    _local.pop(token, None)


def local(header: str) -> Sink | None:
    """The sink that a header names; None for another process's, and once its attempt is over."""
    return _local.get(header.removeprefix(LOCAL)) if header.startswith(LOCAL) else None
