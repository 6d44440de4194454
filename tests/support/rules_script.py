"""A script for the engine's rules: say what happens, read what the engine decides and remembers.

Handlers speak in real frames (see `handler_frames`), decoded by the session of their attempt, so a script can
only say what can come over the wire. Journals and deliveries are read as lines: 'Run lookup' is a command,
'Run 1 = found' the notification of completion 1.
"""

from __future__ import annotations

import json
from typing import Any

from perdure.engine.core import machine
from perdure.engine.core.actions import (
    AbortAttempt,
    Action,
    Complete,
    ConfirmRun,
    Deliver,
    Reply,
    SetTimer,
    StartAttempt,
)
from perdure.engine.core.inputs import Input, Invoke, Progress, TimerFired
from perdure.engine.core.model import Invocation, Result, Status, Target, Timer
from perdure.engine.storage.memory_store import MemoryStore
from perdure.protocol import ids
from perdure.protocol.discovery import decode_manifest
from perdure.protocol.messages import MessageType, decode_message, entry_name, is_command, type_name
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.protocol.session import AttemptSession

SERVICE = "Svc"
FIRST_AWAKEABLE = 17
NOW_MS = 1_700_000_000_000


def invocation_id(number: int) -> str:
    return ids.encode_invocation_id(number.to_bytes(24, "big"))


def awakeable(invocation: str, number: int = 0) -> str:
    """The id of an invocation's n-th awakeable."""
    return ids.encode_awakeable_id(invocation, FIRST_AWAKEABLE + number)


class Script:
    """An engine without its runtime: rules, a store in memory, and a clock that the test moves.

    `options` are those of its one service's manifest, in the manifest's words.
    """

    def __init__(self, **options: Any) -> None:
        document = {
            "protocolMode": "BIDI_STREAM",
            "minProtocolVersion": 5,
            "maxProtocolVersion": 7,
            "services": [
                {
                    "name": SERVICE,
                    "ty": "SERVICE",
                    "handlers": [{"name": name} for name in ("run", "other")],
                    **options,
                }
            ],
        }
        self.store = MemoryStore(decode_manifest(json.dumps(document).encode()))
        self.now_ms = NOW_MS
        self.actions: list[Action] = []
        """What the last input led to."""
        self._sessions: dict[tuple[str, int], AttemptSession] = {}
        self._created = 0

    # ---- what happens

    def apply(self, event: Input) -> list[Action]:
        actions: list[Action] = []
        self.store.transact(lambda: actions.extend(machine.apply(event, self.store, self.now_ms)))
        self.actions = actions
        for action in actions:
            if isinstance(action, StartAttempt):
                session = AttemptSession(7)
                session.start(pb.Start(), [(e.type, e.payload) for e in self.store.journal(action.id)])
                self._sessions[action.id, action.attempt] = session
        return actions

    def invoke(self, handler: str = "run", parameter: bytes = b"", **more: Any) -> str:
        """A client invokes; the new invocation's id."""
        self._created += 1
        new = more.pop("id", None) or invocation_id(self._created)
        self.apply(Invoke(new, Target(SERVICE, handler), parameter, **more))
        return str(new)

    def says(self, invocation: str, *frames: bytes, attempt: int | None = None) -> list[Action]:
        """The handler's attempt (the latest, or an older one) sends frames, in one input."""
        number = self[invocation].attempt if attempt is None else attempt
        events = self._sessions[invocation, number].receive(b"".join(frames))
        return self.apply(Progress(invocation, number, tuple(events)))

    def fires(self, timer: Timer) -> list[Action]:
        """A timer fires, when it is due."""
        self.now_ms = max(self.now_ms, timer.at_ms)
        return self.apply(TimerFired(timer))

    def passes(self, delay_ms: int) -> list[Action]:
        """Time passes, and every timer that falls due fires."""
        self.now_ms += delay_ms
        actions: list[Action] = []
        while due := [timer for timer in self.store.timers() if timer.at_ms <= self.now_ms]:
            for timer in due:
                actions += self.apply(TimerFired(timer))
        self.actions = actions
        return actions

    # ---- what is so

    def __getitem__(self, invocation: str) -> Invocation:
        found = self.store.invocation(invocation)
        assert found is not None, "no such invocation"
        return found

    def status(self, invocation: str) -> Status:
        return self[invocation].status

    def result(self, invocation: str) -> Result | None:
        return self[invocation].result

    def journal(self, invocation: str) -> list[str]:
        return [line(entry.type, entry.payload) for entry in self.store.journal(invocation)]

    def timers(self, invocation: str) -> list[Timer]:
        return [timer for timer in self.store.timers() if timer.invocation_id == invocation]

    # ---- what the last input led to

    def started(self) -> list[tuple[str, int]]:
        return [(a.id, a.attempt) for a in self.actions if isinstance(a, StartAttempt)]

    def aborted(self) -> list[str]:
        return [a.id for a in self.actions if isinstance(a, AbortAttempt)]

    def completed(self) -> dict[str, Result]:
        return {a.id: a.result for a in self.actions if isinstance(a, Complete)}

    def heard(self, invocation: str) -> list[str]:
        """What its attempt is sent: notifications, and confirmations of its own runs."""
        lines = []
        for action in self.actions:
            if isinstance(action, Deliver) and action.id == invocation:
                lines.append(line(action.type, action.payload))
            elif isinstance(action, ConfirmRun) and action.id == invocation:
                lines.append(line(MessageType.RUN_COMPLETION, action.proposed.payload))
        return lines

    def replies(self) -> list[Reply]:
        return [a for a in self.actions if isinstance(a, Reply)]

    def set_timers(self) -> list[Timer]:
        return [a.timer for a in self.actions if isinstance(a, SetTimer)]


def line(kind: int, payload: bytes) -> str:
    """One journal entry for people."""
    message = decode_message(kind, payload)
    name = type_name(kind).rpartition(": ")[2]
    if is_command(kind):
        return f"{name} {entry_name(kind, message)}".strip()
    which = getattr(message, message.WhichOneof("id"))
    match message.WhichOneof("result"):
        case "value":
            return f"{name} {which} = {message.value.content.decode()}"
        case "failure":
            return f"{name} {which} ! {message.failure.code} {message.failure.message}"
        case "invocation_id":
            return f"{name} {which} = {message.invocation_id}"
        case _:
            return f"{name} {which}"
