"""What a streamed model call brings, and how it is journaled: its events exactly as they came.

The events are kept beside the answer, as compressed JSON: they repeat themselves, and the answer is what a
person wants to read in a journal. They hold what the provider said, never what it was asked but for the
instructions and tools that the Responses API sends back in some of them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agents import ModelResponse, Usage
from openai import BaseModel as OfClient
from pydantic import BaseModel, TypeAdapter

from perdure.durable import values
from perdure.durable.step import Codec
from perdure.openai.codec import failure_from_json, failure_to_json, response_to_json

_VERSION = 1
_USAGE = TypeAdapter(Usage)


@dataclass(frozen=True)
class StreamedAnswer:
    """events: of the model, in order. answer: what they come to; None if they have no end."""

    events: Sequence[Any]
    answer: ModelResponse | None

    @property
    def usage(self) -> Usage:
        return self.answer.usage if self.answer is not None else Usage()


def _to_json(streamed: StreamedAnswer) -> tuple[values.Json, dict[str, str]]:
    answer = streamed.answer
    return {
        "version": _VERSION,
        "answer": None if answer is None else response_to_json(answer)[0],
        "events": events_to_text(streamed.events),
    }, {}


def _from_json(plain: values.Json, _types: dict[str, str]) -> StreamedAnswer:
    if plain["version"] > _VERSION:
        raise ValueError(
            f"a model's streamed answer of version {plain['version']}; this Perdure knows {_VERSION}"
        )
    answer = plain["answer"]
    return StreamedAnswer(
        events=events_from_text(plain["events"]),
        answer=None if answer is None else _answer(answer),
    )


def _answer(plain: values.Json) -> ModelResponse:
    """Only what is not in the events: who runs the agent takes the answer from those."""
    return ModelResponse(
        output=[],
        usage=_USAGE.validate_python(plain["usage"]),
        response_id=plain["response_id"],
        request_id=plain["request_id"],
    )


STREAMED: Codec[StreamedAnswer] = Codec(_to_json, _from_json, failure_to_json, failure_from_json)


# ---- events


def events_to_text(events: Sequence[Any]) -> str:
    """Raises TypeError for an event that would not come back as it was."""
    classes: dict[str, int] = {}
    rows = [_event_to_json(event, at, classes) for at, event in enumerate(events)]
    document = json.dumps([list(classes), rows], ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(document.encode())).decode()


def events_from_text(text: str) -> list[Any]:
    """The inverse."""
    classes, rows = json.loads(zlib.decompress(base64.b64decode(text)))
    return [_event_from_json(row, classes) for row in rows]


def _event_to_json(event: Any, at: int, classes: dict[str, int]) -> values.Json:
    """`[class, fields]`, and what adapters hung on the response; `[fields]` if the event is plain JSON."""
    if not isinstance(event, BaseModel):
        plain, types = values.to_json(event)
        if types:
            raise TypeError(f"event {at} is a {type(event).__qualname__}")
        return [plain]
    name = values.importable_name(type(event))
    fields = event.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
    attached = {where: hung for where, thing in _hangers(event) if (hung := _attached(thing))}
    row = [classes.setdefault(name, len(classes)), fields, *([attached] if attached else [])]
    try:
        same = _event_from_json(row, list(classes)) == event
    except Exception:
        same = False
    if not same:
        raise TypeError(f"event {at}, a {type(event).__qualname__}, does not survive JSON")
    return row


def _event_from_json(row: list[Any], classes: list[str]) -> Any:
    if len(row) == 1:
        return row[0]
    cls = values.imported(classes[row[0]])
    # As the client does it: without validation, for models that do not keep to the letter of the schema.
    event = cls.construct(**row[1]) if issubclass(cls, OfClient) else cls.model_validate(row[1])
    attached = row[2] if len(row) > 2 else {}
    for where, thing in _hangers(event):
        for name, (plain, types) in attached.get(where, {}).items():
            object.__setattr__(thing, name, values.from_json(plain, types))
    return event


def _hangers(event: Any) -> Iterator[tuple[str, Any]]:
    """The objects of an event on which the SDK's adapters hang what has no field: ids, usage of parts."""
    if isinstance(response := getattr(event, "response", None), BaseModel):
        yield "response", response
        if isinstance(usage := getattr(response, "usage", None), BaseModel):
            yield "usage", usage


def _attached(thing: BaseModel) -> dict[str, Any]:
    return {
        name: values.to_json(value)
        for name, value in vars(thing).items()
        if name.startswith("_") and value is not None
    }
