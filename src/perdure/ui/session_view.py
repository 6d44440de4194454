"""A DurableSession as a conversation: from the entries of a state to who said what.

The layout is told in `perdure.openai.durable_session`, which is not imported: it would bring the Agents SDK.
State belongs to its users, so nothing here trusts it: what is no item of the SDK is shown as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

PREFIX = "session/"
_VERSION = 1
_ITEMS_MAX = 10**9
_OF_THE_CALL = ("arguments", "input", "action", "operation", "code", "queries")


@dataclass(frozen=True, slots=True)
class Said:
    """A message. attachments: what it brought beside text, such as "input_image"."""

    form: ClassVar = "said"
    at: int
    role: str
    text: str
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call; `output` is None while there is none. Both are JSON, where the tool's are."""

    form: ClassVar = "called"
    at: int
    name: str
    arguments: str
    output: str | None


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model tells of its reasoning."""

    form: ClassVar = "thought"
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Other:
    """An item that has no better picture."""

    form: ClassVar = "other"
    at: int
    kind: str
    raw: str


Turn: TypeAlias = Said | Called | Thought | Other


def session_name(entry_name: str) -> str | None:
    """The session whose head this entry is; None for other entries."""
    name = entry_name.removeprefix(PREFIX)
    return name if name != entry_name and name and "/" not in name else None


def length(head: bytes) -> int | None:
    """How many items a session has; None where the value is no head that this version knows."""
    match _json(head):
        case {"version": int(version), "items": int(items)} if (
            version <= _VERSION and 0 <= items < _ITEMS_MAX
        ):
            return items
        case _:
            return None


def item_name_prefix(session: str) -> str:
    """What the names of its items' entries begin with."""
    return f"{PREFIX}{session}/"


def item_name(session: str, at: int) -> str:
    """The entry that holds one item."""
    return f"{item_name_prefix(session)}{at:06}"


def conversation(items: Mapping[int, bytes]) -> list[Turn]:
    """The turns of these items, by their place. A call has its output with it, if that is among them."""
    read = {at: _json(value) for at, value in sorted(items.items())}
    calls = {_call_id(item) for item in read.values() if _is_call(item)}
    outputs = {_call_id(item): item for item in read.values() if _is_output(item)}
    return [
        _turn(at, item, outputs, items[at])
        for at, item in read.items()
        if not (_is_output(item) and _call_id(item) in calls)  # told with its call
    ]


def _turn(at: int, item: object, outputs: Mapping[str, object], raw: bytes) -> Turn:
    try:
        return _told(at, item, outputs) or Other(at, "no item of a session", _text(raw))
    except RecursionError:  # nested deeper than anyone reads
        return Other(at, "nested too deeply", _text(raw))


def _told(at: int, item: object, outputs: Mapping[str, object]) -> Turn | None:
    if not isinstance(item, dict):
        return None
    match item:
        case {"role": str(role), "content": content}:
            text, attachments = _content(content)
            return Said(at, role, text, attachments)
        case {"type": "reasoning", "summary": list(summary)}:
            return Thought(at, _content(summary)[0])
        case {"type": str(kind)} if _is_call(item) or kind.endswith("_call"):
            return _called(at, kind, item, outputs)
        case {"type": str(kind)}:
            return Other(at, kind, _shown(item))
    return None


def _called(at: int, kind: str, item: Mapping[str, object], outputs: Mapping[str, object]) -> Called:
    name = item.get("name")
    what = next((item[each] for each in _OF_THE_CALL if each in item), None)
    output: object = item.get("output", item.get("error"))
    match outputs.get(_call_id(item)):
        case {"output": found}:
            output = found
    return Called(
        at,
        name if isinstance(name, str) else kind.removesuffix("_call"),
        "" if what is None else _shown(what),
        None if output is None else _shown(output),
    )


def _is_call(item: object) -> bool:
    match item:
        case {"type": str(kind), "call_id": str()}:
            return kind.endswith("_call")
    return False


def _is_output(item: object) -> bool:
    match item:
        case {"type": str(kind), "call_id": str(), "output": _}:
            return kind.endswith("_output")
    return False


def _call_id(item: object) -> str:
    match item:
        case {"call_id": str(call_id)}:
            return call_id
    return ""


def _content(content: object) -> tuple[str, tuple[str, ...]]:
    """Text, and the names of what is no text."""
    if isinstance(content, str):
        return content, ()
    texts: list[str] = []
    attachments: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        match part:
            case {"text": str(text)} | {"refusal": str(text)} | {"transcript": str(text)}:
                texts.append(text)
            case {"type": str(kind), "filename": str(named)}:
                attachments.append(f"{kind} {named}")
            case {"type": str(kind)}:
                attachments.append(kind)
            case _:
                texts.append(_shown(part))
    return "\n".join(texts), tuple(attachments)


def _shown(value: object) -> str:
    """A text as it is; anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _json(value: bytes) -> object:
    try:
        read: object = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return read
