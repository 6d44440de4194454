"""One attempt of a simulated handler: a small deterministic program that speaks the service protocol.

It does with its journal what an SDK does: replays the commands it has, sends the ones it has not, wakes in
the order of the notifications, suspends when it is told that nothing more will come. It is stricter than an
SDK: a replay that differs from what any earlier attempt saw is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from hashlib import sha256
from typing import Any, Protocol

from perdure.engine.core.model import Failure
from perdure.engine.core.results import encode_failure
from perdure.protocol import ids
from perdure.protocol.frames import REQUESTED_ACK, Frame, FrameDecoder, encode_frame
from perdure.protocol.messages import SIGNAL_CANCEL, MessageType, decode_message, is_command
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.testing.simulator.scenario import APPROVAL, KEYS, RANK, Op, Program

NotificationId = tuple[str, int]
Outcome = tuple[str, object]
"""How a notification ended, and with what: ("value", b"..."), ("failure", (500, "...")), ("void", None)."""

Wait = tuple[str, tuple[NotificationId, ...]]
"""("first" | "all", what it waits for)."""

FIRST_AWAKEABLE = 17
CANCEL: NotificationId = ("signal_id", SIGNAL_CANCEL)
_COMBINATORS = {"first": pb.FIRST_COMPLETED, "all": pb.ALL_COMPLETED}


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


class _Cancelled(Exception):
    """Thrown into the program where it awaits."""


class _Stumbled(Exception):
    """The attempt fails, and is to be retried."""


class _Failed(Exception):
    """The program fails for good."""


class SimulatedHandler:
    """`send` takes frames, `close` ends our side of the stream."""

    def __init__(
        self,
        target: str,
        program: Program,
        world: Surroundings,
        send: Callable[[bytes], None],
        close: Callable[[], None],
    ) -> None:
        self.id = ""
        self.running: list[int] = []
        """Runs whose closure is executing."""
        self._target = target
        self._program = program
        self._world = world
        self._send = send
        self._close = close
        self._decoder = FrameDecoder()
        self._unread = -1  # of the journal; -1: not even Start
        self._start = pb.Start()
        self._commands: list[tuple[int, Any]] = []
        self._replayed = 0
        self._known: dict[NotificationId, Outcome] = {}
        self._place: dict[NotificationId, int] = {}
        self._proposed: dict[int, Outcome] = {}
        self._wakes: dict[int, int] = {}
        self._state: dict[bytes, bytes] = {}
        self._next_completion = 0
        self._code: Generator[Wait, NotificationId, str] | None = None
        self._waits: Wait | None = None
        self._cancelled = False
        self._told_all = False
        self._over = False

    # ---- what the network and the clock bring

    def receive(self, data: bytes) -> None:
        """Bytes of the engine."""
        for frame in self._decoder.feed(data):
            self._hear(frame)
        self._go_on()

    def receive_eof(self) -> None:
        """The engine says nothing more."""
        self._told_all = True
        self._go_on()

    def closure_ends(self, which: int) -> None:
        """A step's closure has a result: propose it."""
        if not self.running:
            return
        completion_id = self.running.pop(which % len(self.running))
        value = self._world.effect(self.id, completion_id)
        proposal = pb.ProposeRunCompletion(result_completion_id=completion_id)
        if value.endswith(b"3"):
            proposal.failure.CopyFrom(encode_failure(Failure(500, value.decode())))
            self._proposed[completion_id] = ("failure", (500, value.decode()))
        else:
            proposal.value = value
            self._proposed[completion_id] = ("value", value)
        asks_for_ack = REQUESTED_ACK if completion_id % 2 else 0
        self._send(
            encode_frame(MessageType.PROPOSE_RUN_COMPLETION, proposal.SerializeToString(), asks_for_ack)
        )
        self._go_on()

    def _hear(self, frame: Frame) -> None:
        if frame.type == MessageType.START:
            self._start = pb.Start.FromString(frame.payload)
            self.id = self._start.debug_id
            self._unread = self._start.known_entries
            self._state = {entry.key: entry.value for entry in self._start.state_map}
            return
        self._unread = max(0, self._unread - 1)
        message = decode_message(frame.type, frame.payload)
        if is_command(frame.type):
            self._commands.append((frame.type, message))
            if frame.type == MessageType.SLEEP:
                self._wakes[message.result_completion_id] = message.wake_up_time
        elif frame.type == MessageType.PROPOSE_RUN_COMPLETION_ACK:
            self._notice(("completion_id", message.completion_id), self._proposed[message.completion_id])
        else:
            which = message.WhichOneof("id")
            self._notice((which, getattr(message, which)), _outcome(message))

    def _notice(self, name: NotificationId, outcome: Outcome) -> None:
        if name in self._known:
            self._world.broken(f"{self.id} hears {name} twice")
            return
        if name[0] == "completion_id" and self._wakes.get(name[1], 0) > self._world.now_ms():
            self._world.broken(f"{self.id} wakes early from sleep {name[1]}")
        self._place[name] = len(self._known)
        self._known[name] = outcome
        self._world.heard(self.id, self._place[name], name, outcome)

    # ---- the state machine of an SDK

    def _go_on(self) -> None:
        """Run the program as far as it can go."""
        if self._over or self._unread != 0:
            return
        try:
            if self._code is None:
                self._code = self._run()
                self._waits = next(self._code)
            while self._waits is not None and (decided := self._decide(self._waits)) is not None:
                if decided == CANCEL:
                    self._cancelled = True
                    self._waits = self._code.throw(_Cancelled())
                else:
                    self._waits = self._code.send(decided)
        except StopIteration as returned:
            self._output(pb.OutputCommand(value=pb.Value(content=str(returned.value).encode())))
        except _Cancelled:
            self._output(pb.OutputCommand(failure=pb.Failure(code=409, message="cancelled")))
        except _Failed as failed:
            self._output(pb.OutputCommand(failure=pb.Failure(code=500, message=str(failed))))
        except _Stumbled:
            self._end(MessageType.ERROR, pb.Error(code=500, message="stumbled"))
        else:
            if self._told_all and not self.running and self._waits is not None:
                self._end(MessageType.SUSPENSION, pb.Suspension(awaiting_on=_future(self._waits)))

    def _decide(self, waits: Wait) -> NotificationId | None:
        """The notification that settles it, or CANCEL if that came before; None while nothing does."""
        how, names = waits
        places = sorted((self._place[name], name) for name in names if name in self._place)
        settled = places[0 if how == "first" else -1] if places else None
        if how == "all" and len(places) < len(names):
            settled = None
        if not self._cancelled and CANCEL in self._place:
            cancel = (self._place[CANCEL], CANCEL)
            settled = min(settled, cancel) if settled else cancel
        return settled[1] if settled else None

    def _command(self, kind: int, message: Any) -> Any:
        """The command as the journal has it; sent, if it has it not."""
        at = self._replayed
        self._replayed += 1
        if at + 1 < len(self._commands):  # the first is the input
            recorded_kind, recorded = self._commands[at + 1]
            if (recorded_kind, _essence(recorded)) != (kind, _essence(message)):
                self._world.broken(
                    f"{self.id} replays another way at command {at + 1}: {recorded} / {message}"
                )
            return recorded
        if kind == MessageType.SLEEP:
            self._wakes[message.result_completion_id] = message.wake_up_time
        self._send(encode_frame(kind, message.SerializeToString()))
        return message

    def _output(self, output: pb.OutputCommand) -> None:
        self._command(MessageType.OUTPUT, output)
        self._end(MessageType.END, pb.End())

    def _end(self, kind: int, message: Any) -> None:
        self._over = True
        self.running.clear()
        self._send(encode_frame(kind, message.SerializeToString()))
        self._close()

    def _completion(self) -> int:
        self._next_completion += 1
        return self._next_completion

    # ---- the program

    def _run(self) -> Generator[Wait, NotificationId, str]:
        """User code. Its result depends on all that it saw, and in which order."""
        seen: list[object] = []
        waiting: list[NotificationId] = []
        callees: list[NotificationId] = []
        for number, op in enumerate(self._program):
            match op.kind:
                case "await_one" if waiting:
                    name = waiting.pop(op.a % len(waiting))
                    yield "all", (name,)
                    seen.append((name, self._known[name]))
                case "await_first" if waiting:
                    first = yield "first", tuple(waiting)
                    waiting.remove(first)
                    seen.append((first, self._known[first]))
                case "await_all" if waiting:
                    yield "all", tuple(waiting)
                    seen.extend((name, self._known[name]) for name in waiting)
                    waiting.clear()
                case "attach" | "cancel" if callees:
                    callee = callees[op.a % len(callees)]
                    yield "all", (callee,)
                    waiting += self._about(op.kind, str(self._known[callee][1]))
                case "stumble":
                    if self._world.stumbles(self.id, number, op.a % 4):
                        raise _Stumbled
                case "fail" if op.a % 3 == 0:
                    raise _Failed(f"at operation {number}")
                case "increment":
                    seen.append((yield from self._increment(op)))
                case "read":
                    seen.append((yield from self._read()))
                case "approve":
                    done = self._completion()
                    approval = pb.Value(content=b"approved")
                    self._command(
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
                done = self._completion()
                self._command(MessageType.RUN, pb.RunCommand(result_completion_id=done))
                if ("completion_id", done) not in self._known:
                    self.running.append(done)
            case "sleep":
                done = self._completion()
                # Multiples of the retry interval, so that timers meet.
                delay_ms = 5_000 if op.b % 10 == 0 else 20 * (op.a % 6)
                wake_ms = self._world.now_ms() + delay_ms
                self._command(
                    MessageType.SLEEP, pb.SleepCommand(wake_up_time=wake_ms, result_completion_id=done)
                )
            case "promise" | "peek":
                done = self._completion()
                kind, command = _PROMISES[op.kind]
                self._command(kind, command(key="p", result_completion_id=done))
            case "awakeable":
                signal = FIRST_AWAKEABLE + self._completion()  # any number of its own will do
                self._world.published(self.id, signal)
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
        known_as = self._completion()
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
            done = self._completion()
            self._command(MessageType.CALL, pb.CallCommand(result_completion_id=done, **common))
            return [("completion_id", done)]
        delay_ms = op.b % 4 * 50
        invoke_time = self._world.now_ms() + delay_ms if delay_ms else 0
        self._command(MessageType.ONE_WAY_CALL, pb.OneWayCallCommand(invoke_time=invoke_time, **common))
        return []

    def _about(self, kind: str, callee: str) -> list[NotificationId]:
        if kind == "cancel":
            command = pb.SendSignalCommand(target_invocation_id=callee, idx=SIGNAL_CANCEL, void=pb.Void())
            self._command(MessageType.SEND_SIGNAL, command)
            return []
        done = self._completion()
        self._command(
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
            if b"n" in self._state:
                eager.value.content = self._state[b"n"]
            else:
                eager.void.SetInParent()
            value = self._command(MessageType.GET_EAGER_STATE, eager).value.content or b"0"
        more = str(int(value) + 1).encode()
        self._command(MessageType.SET_STATE, pb.SetStateCommand(key=b"n", value=pb.Value(content=more)))
        self._state[b"n"] = more
        return more

    def _read(self) -> Generator[Wait, NotificationId, bytes]:
        done = self._completion()
        self._command(MessageType.GET_LAZY_STATE, pb.GetLazyStateCommand(key=b"n", result_completion_id=done))
        name = ("completion_id", done)
        yield "all", (name,)
        value = self._known[name][1]
        return value if isinstance(value, bytes) else b"0"


_PROMISES: dict[str, tuple[int, Callable[..., Any]]] = {
    "promise": (MessageType.GET_PROMISE, pb.GetPromiseCommand),
    "peek": (MessageType.PEEK_PROMISE, pb.PeekPromiseCommand),
}


def callable_from(target: str) -> list[str]:
    """Whom a handler may call."""
    return [other for other in RANK if RANK[other] > RANK[target] and other != APPROVAL]


def awakeable_id(invocation_id: str, signal: int) -> str:
    """The name under which somebody outside knows it."""
    return ids.encode_awakeable_id(invocation_id, signal)


def _outcome(message: pb.Notification) -> Outcome:
    which = message.WhichOneof("result") or "void"
    match which:
        case "value":
            return which, message.value.content
        case "failure":
            return which, (message.failure.code, message.failure.message)
        case "invocation_id":
            return which, message.invocation_id
        case _:
            return which, None


def _essence(message: Any) -> bytes:
    """A command without what may differ when the code runs again: times, and what was read."""
    essence = type(message).FromString(message.SerializeToString())
    for field in ("wake_up_time", "invoke_time"):
        if hasattr(essence, field):
            essence.ClearField(field)
    if isinstance(essence, pb.GetEagerStateCommand):
        essence.ClearField("value")
        essence.ClearField("void")
    return bytes(essence.SerializeToString(deterministic=True))


def _future(waits: Wait) -> pb.Future:
    how, names = waits
    asked = pb.Future(
        waiting_completions=[number for kind, number in names if kind == "completion_id"],
        waiting_signals=[number for kind, number in names if kind == "signal_id"],
        combinator_type=_COMBINATORS[how],
    )
    return pb.Future(
        waiting_signals=[SIGNAL_CANCEL], nested_futures=[asked], combinator_type=pb.FIRST_COMPLETED
    )
