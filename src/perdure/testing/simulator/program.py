"""The user code of a simulated handler: a generator that yields what it awaits.

Its result is a digest of all that it saw, in the order in which it saw it: so a replay that shows it
something else ends in another result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from hashlib import sha256
from typing import Any, Protocol

from perdure.protocol.messages import SIGNAL_CANCEL, MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.testing.simulator.scenario import APPROVAL, KEYS, RANK, Op, Program

NotificationId = tuple[str, int]
Outcome = tuple[str, object]
"""How a notification ended, and with what: ("value", b"..."), ("failure", (500, "...")), ("void", None)."""

Wait = tuple[str, tuple[NotificationId, ...]]
"""("first" | "all", what it waits for)."""

FIRST_AWAKEABLE = 17


class Surroundings(Protocol):
    """What user code reaches without the journal; and who watches."""

    def now_ms(self) -> int: ...

    def effect(self, invocation_id: str, completion_id: int) -> bytes:
        """A step's closure runs: another value each time."""

    def stumbles(self, invocation_id: str, op: int, times: int) -> bool:
        """Does the code fail here now? It does the first `times` times."""

    def published(self, invocation_id: str, signal: int) -> None:
        """Somebody outside was told of an awakeable."""

    def heard(self, invocation_id: str, place: int, name: NotificationId, outcome: Outcome) -> None:
        """An attempt hears its notification number `place`."""

    def broken(self, what: str) -> None:
        """A promise of the engine is broken."""


class Journal(Protocol):
    """What an SDK offers to user code."""

    id: str
    running: list[int]
    """Runs whose closure is executing."""
    known: dict[NotificationId, Outcome]
    state: dict[bytes, bytes]

    def command(self, kind: int, message: Any) -> Any:
        """Replay or send a command; as the journal has it."""

    def completion(self) -> int:
        """The next completion id."""


class Cancelled(Exception):
    """Thrown into the program where it awaits."""


class Stumbled(Exception):
    """The attempt fails, and is to be retried."""


class Failed(Exception):
    """The program fails for good."""


class RunningProgram:
    """One execution of a program; `run()` is the user code."""

    def __init__(self, target: str, program: Program, journal: Journal, world: Surroundings) -> None:
        self._target = target
        self._program = program
        self._journal = journal
        self._world = world

    def run(self) -> Generator[Wait, NotificationId, str]:
        """User code. Its result depends on all that it saw, and in which order."""
        seen: list[object] = []
        waiting: list[NotificationId] = []
        callees: list[NotificationId] = []
        for number, op in enumerate(self._program):
            match op.kind:
                case "await_one" if waiting:
                    name = waiting.pop(op.a % len(waiting))
                    yield "all", (name,)
                    seen.append((name, self._journal.known[name]))
                case "await_first" if waiting:
                    first = yield "first", tuple(waiting)
                    waiting.remove(first)
                    seen.append((first, self._journal.known[first]))
                case "await_all" if waiting:
                    yield "all", tuple(waiting)
                    seen.extend((name, self._journal.known[name]) for name in waiting)
                    waiting.clear()
                case "attach" | "cancel" if callees:
                    callee = callees[op.a % len(callees)]
                    yield "all", (callee,)
                    waiting += self._about(op.kind, str(self._journal.known[callee][1]))
                case "stumble":
                    if self._world.stumbles(self._journal.id, number, op.a % 4):
                        raise Stumbled
                case "fail" if op.a % 3 == 0:
                    raise Failed(f"at operation {number}")
                case "increment":
                    seen.append((yield from self._increment(op)))
                case "read":
                    seen.append((yield from self._read()))
                case "approve":
                    done = self._journal.completion()
                    approval = pb.Value(content=b"approved")
                    self._journal.command(
                        MessageType.COMPLETE_PROMISE,
                        pb.CompletePromiseCommand(
                            key="p", completion_value=approval, result_completion_id=done
                        ),
                    )
                    yield "all", (("completion_id", done),)
                case _:
                    waiting += self._begin(op, callees)
        return sha256(repr(seen).encode()).hexdigest()[:12]

    def _begin(self, op: Op, callees: list[NotificationId]) -> list[NotificationId]:
        """Operations that complete later."""
        match op.kind:
            case "run":
                done = self._journal.completion()
                self._journal.command(MessageType.RUN, pb.RunCommand(result_completion_id=done))
                if ("completion_id", done) not in self._journal.known:
                    self._journal.running.append(done)
            case "sleep":
                done = self._journal.completion()
                # Multiples of the retry interval, so that timers meet.
                delay_ms = 5_000 if op.b % 10 == 0 else 20 * (op.a % 6)
                wake_ms = self._world.now_ms() + delay_ms
                self._journal.command(
                    MessageType.SLEEP, pb.SleepCommand(wake_up_time=wake_ms, result_completion_id=done)
                )
            case "promise" | "peek":
                done = self._journal.completion()
                kind, command = _PROMISES[op.kind]
                self._journal.command(kind, command(key="p", result_completion_id=done))
            case "awakeable":
                signal = FIRST_AWAKEABLE + self._journal.completion()  # any number of its own will do
                self._world.published(self._journal.id, signal)
                return [("signal_id", signal)]
            case "call" | "send" if callable_from(self._target):
                return self._invoke(op, callees)
            case _:
                return []
        return [("completion_id", done)]

    def _invoke(self, op: Op, callees: list[NotificationId]) -> list[NotificationId]:
        targets = callable_from(self._target)
        target = targets[op.a % len(targets)]
        service, handler = target.split("/")
        known_as = self._journal.completion()
        callees.append(("completion_id", known_as))
        common: dict[str, Any] = {
            "service_name": service,
            "handler_name": handler,
            "key": KEYS[target][op.b % 2] if target in KEYS else "",
            "invocation_id_notification_idx": known_as,
        }
        if op.b % 5 == 0:  # many callers, one callee
            common["idempotency_key"] = f"shared {op.b % 3}"
        if op.kind == "call":
            done = self._journal.completion()
            self._journal.command(MessageType.CALL, pb.CallCommand(result_completion_id=done, **common))
            return [("completion_id", done)]
        delay_ms = op.b % 4 * 50
        invoke_time = self._world.now_ms() + delay_ms if delay_ms else 0
        self._journal.command(
            MessageType.ONE_WAY_CALL, pb.OneWayCallCommand(invoke_time=invoke_time, **common)
        )
        return []

    def _about(self, kind: str, callee: str) -> list[NotificationId]:
        if kind == "cancel":
            command = pb.SendSignalCommand(target_invocation_id=callee, idx=SIGNAL_CANCEL, void=pb.Void())
            self._journal.command(MessageType.SEND_SIGNAL, command)
            return []
        done = self._journal.completion()
        self._journal.command(
            MessageType.ATTACH_INVOCATION,
            pb.AttachInvocationCommand(invocation_id=callee, result_completion_id=done),
        )
        return [("completion_id", done)]

    def _increment(self, op: Op) -> Generator[Wait, NotificationId, object]:
        """Read and write back one more: a lost update would show."""
        if op.a % 2:
            value = yield from self._read()
        else:
            eager = pb.GetEagerStateCommand(key=b"n")
            if b"n" in self._journal.state:
                eager.value.content = self._journal.state[b"n"]
            else:
                eager.void.SetInParent()
            value = self._journal.command(MessageType.GET_EAGER_STATE, eager).value.content or b"0"
        more = str(int(value) + 1).encode()
        self._journal.command(
            MessageType.SET_STATE, pb.SetStateCommand(key=b"n", value=pb.Value(content=more))
        )
        self._journal.state[b"n"] = more
        return more

    def _read(self) -> Generator[Wait, NotificationId, bytes]:
        done = self._journal.completion()
        self._journal.command(
            MessageType.GET_LAZY_STATE, pb.GetLazyStateCommand(key=b"n", result_completion_id=done)
        )
        name = ("completion_id", done)
        yield "all", (name,)
        value = self._journal.known[name][1]
        return value if isinstance(value, bytes) else b"0"


_PROMISES: dict[str, tuple[int, Callable[..., Any]]] = {
    "promise": (MessageType.GET_PROMISE, pb.GetPromiseCommand),
    "peek": (MessageType.PEEK_PROMISE, pb.PeekPromiseCommand),
}


def callable_from(target: str) -> list[str]:
    """Whom a handler may call."""
    return [other for other in RANK if RANK[other] > RANK[target] and other != APPROVAL]
