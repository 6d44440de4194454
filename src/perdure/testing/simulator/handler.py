"""One attempt of a simulated handler: what an SDK does between the wire and user code (`program`).

It does with its journal what an SDK does: replays the commands it has, sends the ones it has not, wakes in
the order of the notifications, suspends when it is told that nothing more will come. It is stricter than an
SDK: a replay that differs from what any earlier attempt saw is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from perdure.engine.core.model import Failure
from perdure.engine.core.results import encode_failure
from perdure.protocol.frames import REQUESTED_ACK, Frame, FrameDecoder, encode_frame
from perdure.protocol.messages import SIGNAL_CANCEL, MessageType, decode_message, is_command
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.testing.simulator.program import (
    Cancelled,
    Failed,
    NotificationId,
    Outcome,
    RunningProgram,
    Stumbled,
    Surroundings,
    Wait,
)
from perdure.testing.simulator.scenario import Program

CANCEL: NotificationId = ("signal_id", SIGNAL_CANCEL)
_COMBINATORS = {"first": pb.FIRST_COMPLETED, "all": pb.ALL_COMPLETED}


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
        self.known: dict[NotificationId, Outcome] = {}
        self.state: dict[bytes, bytes] = {}
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
        self._place: dict[NotificationId, int] = {}
        self._proposed: dict[int, Outcome] = {}
        self._wakes: dict[int, int] = {}
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
            self.state = {entry.key: entry.value for entry in self._start.state_map}
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
        if name in self.known:
            self._world.broken(f"{self.id} hears {name} twice")
            return
        if name[0] == "completion_id" and self._wakes.get(name[1], 0) > self._world.now_ms():
            self._world.broken(f"{self.id} wakes early from sleep {name[1]}")
        self._place[name] = len(self.known)
        self.known[name] = outcome
        self._world.heard(self.id, self._place[name], name, outcome)

    # ---- the state machine of an SDK

    def _go_on(self) -> None:
        """Run the program as far as it can go."""
        if self._over or self._unread != 0:
            return
        try:
            if self._code is None:
                self._code = RunningProgram(self._target, self._program, self, self._world).run()
                self._waits = next(self._code)
            while self._waits is not None and (decided := self._decide(self._waits)) is not None:
                if decided == CANCEL:
                    self._cancelled = True
                    self._waits = self._code.throw(Cancelled())
                else:
                    self._waits = self._code.send(decided)
        except StopIteration as returned:
            self._output(pb.OutputCommand(value=pb.Value(content=str(returned.value).encode())))
        except Cancelled:
            self._output(pb.OutputCommand(failure=pb.Failure(code=409, message="cancelled")))
        except Failed as failed:
            self._output(pb.OutputCommand(failure=pb.Failure(code=500, message=str(failed))))
        except Stumbled:
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

    def command(self, kind: int, message: Any) -> Any:
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
        self.command(MessageType.OUTPUT, output)
        self._end(MessageType.END, pb.End())

    def _end(self, kind: int, message: Any) -> None:
        self._over = True
        self.running.clear()
        self._send(encode_frame(kind, message.SerializeToString()))
        self._close()

    def completion(self) -> int:
        self._next_completion += 1
        return self._next_completion


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
