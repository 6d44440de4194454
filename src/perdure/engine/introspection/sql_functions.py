"""Functions that the tables' SQL calls: what SQLite cannot read out of a row by itself.

A row that one of them cannot read is shown without that column: a query tool is where one looks when
something is broken.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import DecodeError

from perdure.engine.core.lifecycle import complete
from perdure.engine.introspection.entry_json import entry_object
from perdure.engine.introspection.services import Services
from perdure.errors import ProtocolError
from perdure.protocol import messages
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.telemetry.trace_context import parent_of

_CALLS = (MessageType.CALL, MessageType.ONE_WAY_CALL)
_PROMISES = (MessageType.GET_PROMISE, MessageType.PEEK_PROMISE, MessageType.COMPLETE_PROMISE)


def add_functions(connection: sqlite3.Connection, services: Services) -> None:
    """Define them on a connection. What they say of services is as `services` was last read."""

    def entry_json(kind: int, payload: bytes, callee: str | None) -> str:
        return _json(entry_object(kind, _decoded(kind, payload), callee, services, lite=False))

    def entry_lite_json(kind: int, payload: bytes, callee: str | None) -> str:
        return _json(entry_object(kind, _decoded(kind, payload), callee, services, lite=True))

    def service_type(service: str) -> str:
        return (services.kind(service) or "SERVICE").lower()

    def retention_ms(service: str, handler: str, idempotent: int) -> int:
        return complete.retention_ms(services.handler(service, handler), idempotent=bool(idempotent))

    for arguments, function in (
        (1, service_type),
        (3, retention_ms),
        (1, services.protocol_version),
        (1, services.is_public),
        (1, messages.is_command),
        (1, entry_type),
        (2, entry_name),
        (2, invoked_target),
        (2, sleep_wakeup_at),
        (2, promise_name),
        (1, callee_id),
        (3, entry_json),
        (3, entry_lite_json),
        (1, awaited_completions),
        (1, awaited_signals),
        (1, transient_error_json),
        (1, utf8),
        (2, trace_id),
    ):
        connection.create_function(function.__name__, arguments, _tolerant(function))


def trace_id(invocation_id: str, traceparent: str | None) -> str:
    return f"{parent_of(invocation_id, traceparent).trace_id:032x}"


def entry_type(kind: int | None) -> str | None:
    """'Command: Run'."""
    return None if kind is None else messages.type_name(kind)


def entry_name(kind: int, payload: bytes) -> str | None:
    """The name that user code gave a command, or ''."""
    return messages.entry_name(kind, _decoded(kind, payload)) if messages.is_command(kind) else None


def invoked_target(kind: int, payload: bytes) -> str | None:
    """What a call calls."""
    if kind not in _CALLS:
        return None
    message = _decoded(kind, payload)
    return "/".join(part for part in (message.service_name, message.key, message.handler_name) if part)


def sleep_wakeup_at(kind: int, payload: bytes) -> int | None:
    """Milliseconds since the epoch."""
    return int(_decoded(kind, payload).wake_up_time) if kind == MessageType.SLEEP else None


def promise_name(kind: int, payload: bytes) -> str | None:
    """The promise that a command is about."""
    return str(_decoded(kind, payload).key) if kind in _PROMISES else None


def callee_id(notification: bytes) -> str:
    """The invocation id that a notification carries."""
    return pb.Notification.FromString(notification).invocation_id


def awaited_completions(future: bytes | None) -> str | None:
    """A JSON list of the completions for which a suspended invocation waits."""
    return None if future is None else _json([n for f in _futures(future) for n in f.waiting_completions])


def awaited_signals(future: bytes | None) -> str | None:
    """A JSON list of the signals for which it waits."""
    return None if future is None else _json([n for f in _futures(future) for n in f.waiting_signals])


def transient_error_json(problem: str) -> str:
    """A failed attempt as a journal event. `problem` is the JSON of `core.model.Problem`."""
    told = json.loads(problem)
    command_type = told["command_type"]
    event = {
        "ty": "TransientError",
        "error_code": told["code"],
        "error_message": told["message"],
        "error_stacktrace": told["stacktrace"] or None,
        "related_command_index": told["command_index"],
        "related_command_name": told["command_name"] or None,
        "related_command_type": None
        if command_type is None
        else messages.type_name(command_type).partition(": ")[2],
    }
    return _json({key: value for key, value in event.items() if value is not None})


def utf8(value: bytes | None) -> str | None:
    """Bytes as text, if they are text."""
    return None if value is None else value.decode()


def _futures(serialised: bytes) -> Iterator[pb.Future]:
    nodes = [pb.Future.FromString(serialised)]
    while nodes:
        node = nodes.pop()
        yield node
        nodes.extend(node.nested_futures)


def _decoded(kind: int, payload: bytes) -> Any:
    return messages.decode_message(kind, payload)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _tolerant(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ProtocolError, DecodeError, ValueError, KeyError, AttributeError, TypeError):
            return None

    return call
