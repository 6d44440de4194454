"""A journal as people and tools read it: decoded, with each command joined to what completed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from perdure.engine.core.model import Entry, Failure, Result, Success
from perdure.engine.core.results import decode_failure
from perdure.engine.times import iso
from perdure.protocol import messages
from perdure.protocol.messages import MessageType

PREVIEW_CHARS_MAX = 2000


def journal_view(journal: Sequence[Entry]) -> list[dict[str, object]]:
    """One object an entry, in order; absent fields are omitted."""
    decoded = [messages.decode_message(entry.type, entry.payload) for entry in journal]
    completions = {
        (message.WhichOneof("id"), getattr(message, message.WhichOneof("id"))): position
        for position, message in enumerate(decoded)
        if messages.is_notification(journal[position].type)
    }

    def completed_by(completion_id: int) -> int | None:
        return completions.get(("completion_id", completion_id)) if completion_id else None

    rows: list[dict[str, object]] = []
    for position, (entry, message) in enumerate(zip(journal, decoded, strict=True)):
        row: dict[str, object] = {
            "index": position,
            "entry_type": messages.type_name(entry.type),
            "name": messages.entry_name(entry.type, message) or None,
            "appended_at": iso(entry.appended_at_ms),
        }
        if messages.is_notification(entry.type):
            row |= dict(_notification_fields(message))
        else:
            row |= dict(_command_fields(entry.type, message))
            if (completion_id := getattr(message, "result_completion_id", 0)) != 0:
                at = completed_by(completion_id)
                row |= {"completion_id": completion_id, "completed": at is not None}
                if at is not None:
                    row |= {"completed_at": iso(journal[at].appended_at_ms)}
                    row |= dict(_result_fields(decoded[at]))
            if (id_completion := getattr(message, "invocation_id_notification_idx", 0)) != 0:
                at = completed_by(id_completion)
                row["invoked_id"] = decoded[at].invocation_id if at is not None else None
        rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def result_fields(result: Result | None) -> Iterator[tuple[str, object]]:
    """`value_preview`, or `failure_preview`."""
    match result:
        case Success(value):
            yield "value_preview", _preview(value)
        case Failure(code, message):
            yield "failure_preview", f"[{code}] {message}"
        case None:
            pass


def _notification_fields(message: Any) -> Iterator[tuple[str, object]]:
    which = message.WhichOneof("id")
    if which is not None:
        yield which, getattr(message, which)
    if message.WhichOneof("result") == "invocation_id":
        yield "invoked_id", message.invocation_id
    yield from _result_fields(message)


def _command_fields(kind: int, message: Any) -> Iterator[tuple[str, object]]:
    match kind:
        case MessageType.SLEEP:
            yield "sleep_wakeup_at", iso(message.wake_up_time)
        case MessageType.CALL | MessageType.ONE_WAY_CALL:
            parts = (message.service_name, message.key, message.handler_name)
            yield "invoked_target", "/".join(part for part in parts if part)
            yield "parameter_preview", _preview(message.parameter)
        case MessageType.INPUT:
            yield "value_preview", _preview(message.value.content)
        case MessageType.OUTPUT:
            yield from _result_fields(message)
        case MessageType.COMPLETE_AWAKEABLE:
            yield "awakeable_id", message.awakeable_id
        case MessageType.SEND_SIGNAL:
            yield "invoked_id", message.target_invocation_id
        case _:
            pass


def _result_fields(message: Any) -> Iterator[tuple[str, object]]:
    match message.WhichOneof("result"):
        case "value":
            yield from result_fields(Success(message.value.content))
        case "failure":
            yield from result_fields(decode_failure(message.failure))
        case _:
            pass


def _preview(value: bytes) -> str:
    # Cut before decoding: a value may be megabytes, and four bytes are the longest character.
    text = value[: PREVIEW_CHARS_MAX * 4].decode(errors="replace")
    return text if len(text) <= PREVIEW_CHARS_MAX else f"{text[:PREVIEW_CHARS_MAX]}…"
