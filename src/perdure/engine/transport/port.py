"""The port: open a two-way byte stream to a handler.

Callbacks, as asyncio's own transports and protocols have them, and not a stream to await: in process, a step
then costs no extra task switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Listener(Protocol):
    """The engine's end of one conversation."""

    def received(self, data: bytes) -> None:
        """The handler sent bytes."""

    def closed(self, error: str | None) -> None:
        """The handler closed its side, or was lost: then `error` says how. Called at most once."""


class Conversation(Protocol):
    """The handler's end of one conversation, as the engine sees it."""

    def write(self, data: bytes) -> None:
        """Send bytes. Never blocks."""

    def write_eof(self) -> None:
        """Close our side: the handler ends, or suspends where it next awaits. May be called twice."""

    def abort(self) -> None:
        """Cut the stream. The listener hears nothing more."""


class Discovered(NamedTuple):
    """What a deployment said of itself: its manifest, and the SDK (`name/version`) if it named one."""

    manifest_json: bytes
    sdk_version: str | None


class Transport(Protocol):
    """One deployment."""

    @property
    def is_local(self) -> bool:
        """Its handlers run in this process."""

    async def discover(self) -> Discovered:
        """Ask it what it serves. Raises DiscoveryFailed."""

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        headers: Mapping[str, str],
        listener: Listener,
    ) -> Conversation:
        """Start an attempt. Does not block; what goes wrong is told to the listener. The handler sees
        `headers` as those of the attempt."""
