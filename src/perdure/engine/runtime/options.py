"""What a person may set when starting an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Addresses are `host:port`; port 0 takes a free one."""

    data_dir: Path = field(default_factory=lambda: Path("perdure-data"))
    ingress: str = "127.0.0.1:8080"
    admin: str = "127.0.0.1:9070"
    advertised_ingress: str | None = None
    """URL of the ingress as deployments elsewhere reach it, to publish into streams. None: its address."""
    inactivity_timeout_ms: int = 60_000
    """An attempt that has been silent so long is asked to suspend. 0: at every await, to test replay."""
    abort_timeout_ms: int = 600_000
    """One that was asked and has not ended after so long is cut, and retried."""
    request_bytes_max: int = 16 * 1024 * 1024
    """Of an ingress request's body. Half of what a frame may hold: the value still has to travel in one, with
    headers around it, and be journaled, and replayed."""
    cors_origins: tuple[str, ...] = ()
    """Web pages that may call the ingress. None: all if it listens on a loopback address, else nobody."""
    concurrent_attempts_max: int = 1_000
    """More attempts than this wait for a place, in order. Suspended invocations need none."""
    journal_bytes_max: int = 256 * 1024 * 1024
    """What one attempt may replay and add, and so hold in memory. Beyond, the invocation is paused."""
    request_identity_key: Path | None = None
    """A PEM file with the Ed25519 key that signs requests to remote deployments."""
