"""What the door asks of whatever runs the invocations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from perdure.protocol.discovery import JsonSchema
from perdure.stream_answers.log import Log
from perdure.streams.events import StreamEvent


@dataclass(frozen=True, slots=True)
class Handler:
    """A public handler, as discovery has it. `created_at_ms` is its deployment's, since the epoch."""

    service: str
    kind: Literal["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"]
    name: str
    input_content_type: str | None
    input_schema: JsonSchema | None
    output_schema: JsonSchema | None
    created_at_ms: int


class Target(NamedTuple):
    """`key` is '' for a service."""

    service: str
    handler: str
    key: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation. `started`: it has run, or has ended without."""

    id: str
    target: Target
    created_at_ms: int
    started: bool


class Invocations(Protocol):
    """Every coroutine raises RequestError with the HTTP status to tell the client."""

    async def handlers(self) -> Sequence[Handler]:
        """Of all services."""

    async def send(self, target: Target, body: bytes, idempotency_key: str | None) -> str:
        """Start an invocation with a JSON body, or find the one that this key started; its id."""

    async def find(self, invocation_id: str) -> Invocation:
        """As it is now. Raises RequestError(404)."""

    async def finished(self, invocation_id: str) -> StreamEvent:
        """Its `end`, once it has completed; the index is of no meaning."""

    async def cancel(self, invocation_id: str) -> None:
        """Ask it to end; what has completed stays as it is."""

    def log(self, invocation_id: str) -> Log:
        """Its default stream."""
