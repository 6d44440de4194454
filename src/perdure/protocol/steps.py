"""A journal as steps, for people: each command with the notification that completed it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from perdure.protocol import messages
from perdure.protocol.messages import SIGNAL_CANCEL, MessageType

_LAST_MS = 253_402_300_799_999  # of the year 9999: a later time is no date


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a journal with its completion folded in, or a signal.

    index: of the command's entry. kind: input, output, run, call, send, sleep, get_state, get_state_keys,
    set_state, clear_state, clear_all_state, get_promise, peek_promise, complete_promise, send_signal,
    complete_awakeable, attach_invocation, get_invocation_output, signal, or custom. name: what user code
    called it, or ''. ended_at: of the completion. completed: None for commands that wait for nothing.
    value: what it brought; value_bytes is its whole size, of which `value` has the beginning where `is_cut`.
    failure: `[code] message`. parameter: what was sent to a callee (cut as the value is). signal_id: of a
    signal without a name: 1 is cancel, 17 and more are awakeables. Times are in UTC.
    """

    index: int
    kind: str
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    completed: bool | None = None
    value: bytes | None = None
    value_bytes: int = 0
    failure: str | None = None
    invoked_id: str | None = None
    invoked_target: str | None = None
    parameter: bytes | None = None
    parameter_bytes: int = 0
    wake_up_at: datetime | None = None
    state_key: str | None = None
    promise_key: str | None = None
    awakeable_id: str | None = None
    signal_id: int | None = None
    signal_name: str | None = None

    @property
    def is_cut(self) -> bool:
        """Whether there is more of the value."""
        return self.value_bytes > len(self.value or b"")

    @property
    def took(self) -> timedelta | None:
        """From the command to its completion, if that has come."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    @property
    def label(self) -> str:
        """What names it best: its name, what it calls, its signal, or its kind in words."""
        return self.name or self.invoked_target or self._signal or self.kind.replace("_", " ")

    @property
    def _signal(self) -> str | None:
        if self.signal_id is None:
            return self.signal_name
        return "cancel" if self.signal_id == SIGNAL_CANCEL else f"awakeable {self.signal_id}"


@dataclass(frozen=True, slots=True)
class Line:
    """A journal entry. message: decoded, its long fields cut; whole_bytes: their sizes, by name:
    `Value.content`. See `perdure.protocol.excerpts`.
    """

    index: int
    type: int
    message: Any
    whole_bytes: Mapping[str, int]
    appended_at_ms: int


def awaited(line: Line) -> Iterator[int]:
    """The completion ids of a command: of its result, and of the id of what it calls."""
    for name in ("result_completion_id", "invocation_id_notification_idx"):
        if number := getattr(line.message, name, 0):
            yield number


def steps_of(lines: Iterable[Line], completions: Mapping[int, Line]) -> list[Step]:
    """lines: commands and signals. completions: of them, by completion id."""
    return [_step(line, completions) for line in lines]


def time_of_ms(at_ms: int) -> datetime:
    return datetime.fromtimestamp(min(at_ms, _LAST_MS) / 1000, UTC)


def _step(line: Line, completions: Mapping[int, Line]) -> Step:
    fields = dict(_of_signal(line) if line.type == MessageType.SIGNAL else _of_command(line))
    if number := getattr(line.message, "result_completion_id", 0):
        completion = completions.get(number)
        fields["completed"] = completion is not None
        if completion is not None:
            fields["ended_at"] = time_of_ms(completion.appended_at_ms)
            fields |= dict(_of_result(completion))
    if callee := completions.get(getattr(line.message, "invocation_id_notification_idx", 0)):
        fields["invoked_id"] = callee.message.invocation_id
    return Step(
        index=line.index,
        kind=_kind(line.type),
        name=messages.entry_name(line.type, line.message),
        started_at=time_of_ms(line.appended_at_ms),
        **fields,
    )


_KINDS = {
    MessageType.ONE_WAY_CALL: "send",
    MessageType.GET_LAZY_STATE: "get_state",
    MessageType.GET_EAGER_STATE: "get_state",
    MessageType.GET_LAZY_STATE_KEYS: "get_state_keys",
    MessageType.GET_EAGER_STATE_KEYS: "get_state_keys",
}


def _kind(message_type: int) -> str:
    if message_type >= messages.CUSTOM_COMMAND_FIRST:
        return "custom"
    kind = MessageType(message_type)
    return _KINDS.get(kind, kind.name.lower())


Fields = Iterator[tuple[str, Any]]


def _of_signal(line: Line) -> Fields:
    which = line.message.WhichOneof("id")
    if which is not None:
        yield which, getattr(line.message, which)
    yield from _of_result(line)


def _of_command(line: Line) -> Fields:
    message = line.message
    match line.type:
        case MessageType.SLEEP:
            yield "wake_up_at", time_of_ms(message.wake_up_time)
        case MessageType.CALL | MessageType.ONE_WAY_CALL:
            yield "invoked_target", _target(message.service_name, message.key, message.handler_name)
            yield "parameter", message.parameter
            name = f"{message.DESCRIPTOR.name}.parameter"
            yield "parameter_bytes", line.whole_bytes.get(name, len(message.parameter))
        case MessageType.INPUT:
            yield from _of_value(line, message.value.content)
        case MessageType.SET_STATE:
            yield "state_key", _text(message.key)
            yield from _of_value(line, message.value.content)
        case MessageType.GET_LAZY_STATE | MessageType.GET_EAGER_STATE | MessageType.CLEAR_STATE:
            yield "state_key", _text(message.key)
            yield from _of_result(line)
        case MessageType.GET_EAGER_STATE_KEYS:
            yield from _of_keys(message.value.keys)
        case MessageType.GET_PROMISE | MessageType.PEEK_PROMISE:
            yield "promise_key", message.key
        case MessageType.COMPLETE_PROMISE:
            yield "promise_key", message.key
            yield from _of_result(line, "completion")
        case MessageType.COMPLETE_AWAKEABLE:
            yield "awakeable_id", message.awakeable_id
            yield from _of_result(line)
        case MessageType.SEND_SIGNAL:
            yield "invoked_id", message.target_invocation_id
            if message.WhichOneof("signal_id") == "idx":
                yield "signal_id", message.idx
            else:
                yield "signal_name", message.name
            yield from _of_result(line)
        case MessageType.ATTACH_INVOCATION | MessageType.GET_INVOCATION_OUTPUT:
            yield from _of_target(message)
        case _:
            yield from _of_result(line)


def _of_target(message: Any) -> Fields:
    """Of an attach, however it names the invocation."""
    match message.WhichOneof("target"):
        case "invocation_id":
            yield "invoked_id", message.invocation_id
        case "workflow_target":
            workflow = message.workflow_target
            yield "invoked_target", _target(workflow.workflow_name, workflow.workflow_key, "")
        case "idempotent_request_target":
            request = message.idempotent_request_target
            yield "invoked_target", _target(request.service_name, request.service_key, request.handler_name)


def _of_result(line: Line, oneof: str = "result") -> Fields:
    message = line.message
    which = message.WhichOneof(oneof) if oneof in message.DESCRIPTOR.oneofs_by_name else None
    match which:
        case "value" | "completion_value":
            yield from _of_value(line, getattr(message, which).content)
        case "failure" | "completion_failure":
            failure = getattr(message, which)
            yield "failure", f"[{failure.code}] {failure.message}"
        case "state_keys":
            yield from _of_keys(message.state_keys.keys)


def _of_value(line: Line, content: bytes) -> Fields:
    yield "value", content
    yield "value_bytes", line.whole_bytes.get("Value.content", len(content))


def _of_keys(keys: Iterable[bytes]) -> Fields:
    """State keys, as a JSON list."""
    listed = json.dumps([_text(key) for key in keys], ensure_ascii=False).encode()
    yield "value", listed
    yield "value_bytes", len(listed)


def _target(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _text(key: bytes) -> str:
    return key.decode(errors="replace")
