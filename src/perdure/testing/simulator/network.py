"""Between the engine and the handlers: each direction of a stream is a queue, and the scheduler delivers."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping

from perdure.engine.transport.port import Conversation, Discovered, Listener
from perdure.testing.simulator.handler import SimulatedHandler
from perdure.testing.simulator.program import Surroundings
from perdure.testing.simulator.scenario import APPROVAL, OBJECT, READER, WORKFLOW, Op, Program

_END = b""
_QUICK_RETRIES: dict[str, object] = {"retryPolicyInitialInterval": 20, "retryPolicyMaxInterval": 100}
_KINDS = {"Flow": "WORKFLOW", "Object": "VIRTUAL_OBJECT"}
_HANDLER_KINDS = {WORKFLOW: "WORKFLOW", APPROVAL: "SHARED", OBJECT: "EXCLUSIVE", READER: "SHARED"}
_SERVICE_OPTIONS: dict[str, dict[str, object]] = {
    "Flow": {"retryPolicyMaxAttempts": 3},  # then paused
    "Plain": {"inactivityTimeout": 300},
    "Leaf": {"retryPolicyMaxAttempts": 2, "retryPolicyOnMaxAttempts": "KILL"},
}


class SimulatedNetwork:
    """The transport to the one deployment. `streams` are open, the oldest first."""

    is_local = True

    def __init__(self, programs: dict[str, Program], world: Surroundings) -> None:
        self._programs = programs | {APPROVAL: (Op("approve"),)}
        self._world = world
        self.streams: list[Stream] = []

    async def discover(self) -> Discovered:
        services: dict[str, dict[str, object]] = {}
        for target in self._programs:
            service, handler = target.split("/")
            kind = _KINDS.get(service, "SERVICE")
            options = _QUICK_RETRIES | _SERVICE_OPTIONS.get(service, {})
            document = services.setdefault(service, {"name": service, "ty": kind, "handlers": [], **options})
            handlers = document["handlers"]
            assert isinstance(handlers, list)
            handlers.append({"name": handler, "ty": _HANDLER_KINDS.get(target)})
        manifest = {
            "protocolMode": "BIDI_STREAM",
            "minProtocolVersion": 5,
            "maxProtocolVersion": 7,
            "services": list(services.values()),
        }
        return Discovered(json.dumps(manifest).encode(), None)

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        headers: Mapping[str, str],
        listener: Listener,
    ) -> Conversation:
        target = f"{service}/{handler}"
        stream = Stream(target, self._programs[target], self._world, listener, self._forget)
        self.streams.append(stream)
        return stream

    def _forget(self, stream: Stream) -> None:
        if stream in self.streams:
            self.streams.remove(stream)


class Stream:
    """One conversation, as the engine sees it; and the handler at its other end."""

    def __init__(
        self,
        target: str,
        program: Program,
        world: Surroundings,
        engine: Listener,
        closed: Callable[[Stream], None],
    ) -> None:
        self.to_handler: deque[bytes] = deque()
        self.to_engine: deque[bytes] = deque()
        self.handler = SimulatedHandler(
            target, program, world, self.to_engine.append, lambda: self.to_engine.append(_END)
        )
        self._engine = engine
        self._closed = closed
        self._eof_written = False
        self._is_open = True

    # ---- Conversation

    def write(self, data: bytes) -> None:
        if not self._eof_written:
            self.to_handler.append(data)

    def write_eof(self) -> None:
        if not self._eof_written:
            self._eof_written = True
            self.to_handler.append(_END)

    def abort(self) -> None:
        self._close()

    def _close(self) -> None:
        self._is_open = False
        self._closed(self)

    # ---- what the scheduler does

    def deliver_to_handler(self) -> None:
        """The oldest bytes on their way to the handler arrive."""
        if not (self._is_open and self.to_handler):
            return  # torn, or cut by the engine, in the same turn
        data = self.to_handler.popleft()
        if data == _END:
            self.handler.receive_eof()
        else:
            self.handler.receive(data)

    def deliver_to_engine(self) -> None:
        """The oldest bytes on their way to the engine arrive."""
        if not (self._is_open and self.to_engine):
            return
        data = self.to_engine.popleft()
        if data == _END:
            self._close()
            self._engine.closed(None)
        else:
            self._engine.received(data)

    def tear(self) -> None:
        """The connection breaks: what was on its way is lost."""
        if self._is_open:
            self._close()
            self._engine.closed("connection reset")
