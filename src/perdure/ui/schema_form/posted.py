"""What a browser posts of a form, read: the names of its controls say by themselves what they hold.

A name is `<kind>:<place>`, the place being a JSON pointer into the value:

    text     a string                  text?   left out where it is blank     text0   null where it is blank
    json     any JSON, left out where it is blank                             json0   null where it is blank
    object   (an object is here)       list    (a list is here)
    key      the name of the member whose value lies at `<place>`, which ends in `~r<number>`: no pointer does
    variant  which alternative was chosen                                     was     which one it was before

So a value that was shown is posted as it was. What cannot be read is kept as `Unread`, to be shown again
beside what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perdure.ui.schema_form.json_values import loads
from perdure.ui.schema_form.schema import MISSING, Problem, pointer_to

_BLANK: Mapping[str, object] = {"text": "", "text?": MISSING, "text0": None, "json": MISSING, "json0": None}
_ROW = "~r"
_DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Unread:
    """What was typed where JSON should be."""

    text: str
    problem: str


@dataclass(slots=True)
class Draft:
    """A value as far as it is written: MISSING if nothing is, with an Unread wherever something is no JSON.

    chosen: the alternatives that a person chose, by pointer; changed: those that are not what they were.
    """

    value: object = MISSING
    chosen: dict[str, int] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Node:
    kind: str = ""
    text: str = ""
    key: str | None = None
    children: dict[str, _Node] = field(default_factory=dict)


def read(posted: Iterable[tuple[str, str]]) -> Draft:
    """The draft of `(name, text)`, in the order of the page. Names of other forms are passed over."""
    root, draft, was = _Node(), Draft(), dict[str, int]()
    for name, text in posted:
        kind, colon, place = name.partition(":")
        if not colon or (place and not place.startswith("/")) or place.count("/") > _DEPTH_MAX:
            continue
        text = text.replace("\r\n", "\n")  # browsers post lines so
        if kind in ("variant", "was"):
            if text.isascii() and text.isdigit():
                (draft.chosen if kind == "variant" else was)[place] = int(text)
        elif kind == "key":
            _at(root, place).key = text
        elif kind in _BLANK or kind in ("object", "list"):
            node = _at(root, place)
            node.kind, node.text = kind, text
    draft.changed = [place for place, at in draft.chosen.items() if was.get(place, at) != at]
    draft.value = _value(root, "", draft)
    return draft


def _at(root: _Node, place: str) -> _Node:
    node = root
    for step in place.split("/")[1:]:
        node = node.children.setdefault(step, _Node())
    return node


def _value(node: _Node, pointer: str, draft: Draft) -> object:
    match node.kind:
        case "object":
            return _object(node, pointer, draft)
        case "list":
            return _list(node, pointer, draft)
        case "":
            return MISSING
        case kind:
            return _scalar(kind, node.text, pointer, draft)


def _scalar(kind: str, text: str, pointer: str, draft: Draft) -> object:
    if text == "" or (kind.startswith("json") and not text.strip()):
        return _BLANK[kind]
    if kind.startswith("text"):
        return text
    try:
        return loads(text)
    except ValueError as error:
        draft.problems.append(Problem(pointer, str(error)))
        return Unread(text, str(error))


def _object(node: _Node, pointer: str, draft: Draft) -> dict[str, object]:
    members: dict[str, object] = {}
    for step, child in node.children.items():
        name = _unescaped(step) if not step.startswith(_ROW) else child.key or ""
        if step.startswith(_ROW) and name in members:
            name = _other_name(name, members)
            draft.problems.append(Problem(pointer_to(pointer, name), "there is another of this name"))
        value = _value(child, pointer_to(pointer, name), draft)
        if value is MISSING and step.startswith(_ROW):  # named, so it is meant to be there
            value = Unread("", "a value is required")
            draft.problems.append(Problem(pointer_to(pointer, name), value.problem))
        if value is not MISSING:
            members[name] = value
    return members


def _list(node: _Node, pointer: str, draft: Draft) -> list[object]:
    items: list[object] = []
    for child in node.children.values():
        place = pointer_to(pointer, len(items))
        value = _value(child, place, draft)
        if value is MISSING:  # the items after it keep their places
            value = Unread("", "a value is required")
            draft.problems.append(Problem(place, value.problem))
        items.append(value)
    return items


def _other_name(name: str, taken: Mapping[str, object]) -> str:
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
