"""JSON as HTML that folds, its types told apart by colour and by form.

What is short stands in one line. What is large is cut: a tab must not freeze for a value that somebody's tool
returned. Numbers stay as they were written and names that come twice come twice, as in json_text; every text
is a stranger's, and escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from perdure.ui.text import cut, plain, readable

NODES_MAX = 2_000
DEPTH_MAX = 40
STRING_CHARS_MAX = 4_096
TEXT_CHARS_MAX = 256 * 1024
_LINE_CHARS_MAX = 72
_OPEN_DEPTH = 2


class _Object(list[tuple[str, object]]):
    """Its members, in order."""


class _Number(str):
    """As it was written."""


def json_tree(text: str) -> Markup:
    """At most NODES_MAX members, items and scalars are in it. Raises ValueError for what is no JSON."""
    try:
        value = json.loads(text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return Markup('<div class="json-tree">{}</div>').format(_Tree().render(value, 0))


@dataclass
class _Tree:
    nodes: int = 0

    def render(self, value: object, depth: int, key: str | None = None) -> Markup:
        """key: the name that leads to it."""
        self.nodes += 1
        before = Markup("") if key is None else _key(key)
        if not isinstance(value, list) or not value or depth >= DEPTH_MAX or _fits_a_line(value):
            return Markup("<div>{}{}</div>").format(before, _line(value))
        is_object = isinstance(value, _Object)
        told = f"{len(value)} {'key' if is_object else 'item'}{'' if len(value) == 1 else 's'}"
        return Markup(
            '<details{}><summary>{}{} <span class="json-count">{}</span></summary>'
            '<div class="json-inner">{}</div></details>'
        ).format(
            Markup(" open") if depth < _OPEN_DEPTH else "",
            before,
            "{…}" if is_object else "[…]",
            told,
            Markup("").join(self._members(value, depth + 1)),
        )

    def _members(self, value: list[object], depth: int) -> Iterator[Markup]:
        for number, member in enumerate(value):
            if self.nodes >= NODES_MAX:
                yield Markup('<div class="json-count">… {} more</div>').format(len(value) - number)
                return
            if isinstance(value, _Object) and isinstance(member, tuple):
                yield self.render(member[1], depth, member[0])
            else:
                yield self.render(member, depth)


def _fits_a_line(value: object, room: int = _LINE_CHARS_MAX) -> bool:
    return _length(value, room) <= room


def _length(value: object, room: int) -> int:
    """Of the text in one line; more than `room` as soon as that is known."""
    if not isinstance(value, list):
        return 4 if value is None or isinstance(value, bool) else len(str(value)) + 2
    length = 2
    for member in value:
        key, inner = member if isinstance(member, tuple) else ("", member)
        length += len(key) + 4 + (_length(inner, room - length) if length < room else 0)
        if length > room:
            break
    return length


def _line(value: object) -> Markup:
    match value:
        case _Object() | list() if value and not _fits_a_line(value):
            return Markup('<span class="json-count">… nested too deep to show</span>')
        case _Object():
            members = (_key(name) + _line(inner) for name, inner in value)
            return Markup("{{{}}}").format(Markup(", ").join(members))
        case list():
            return Markup("[{}]").format(Markup(", ").join(map(_line, value)))
        case _Number():
            return Markup('<span class="json-number">{}</span>').format(value[:STRING_CHARS_MAX])
        case str():
            return _string(value)
        case _:
            return Markup('<span class="json-constant">{}</span>').format(json.dumps(value))


def _string(value: str) -> Markup:
    """One of several lines keeps them, for it is to be read; others are shown as JSON writes them."""
    cut = value[:STRING_CHARS_MAX]
    shown = plain(cut if "\n" in cut else json.dumps(cut, ensure_ascii=False))
    more = f" … {len(value) - len(cut)} more" if len(value) > len(cut) else ""
    return Markup('<span class="json-string"><bdi>{}</bdi></span><span class="json-count">{}</span>').format(
        shown, more
    )


def _key(name: str) -> Markup:
    return Markup('<span class="json-key"><bdi>{}</bdi></span>: ').format(plain(name[:STRING_CHARS_MAX]))


def shown(value: bytes | str | None) -> Markup:
    """A value of users for reading: JSON as a tree, a text as itself, bytes that are neither as hex."""
    text = readable(value) if isinstance(value, bytes) and not _is_utf8(value) else _text(value)
    if text == "":
        return Markup('<p class="muted">empty</p>')
    try:
        if len(text) > TEXT_CHARS_MAX:
            raise ValueError("too long to be laid out")
        parsed = json.loads(text)
        if not isinstance(parsed, str):
            return json_tree(text)
        text = parsed
    except (ValueError, RecursionError):
        pass
    return Markup('<pre class="value" tabindex="0">{}</pre>').format(cut(plain(text)))


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _is_utf8(value: bytes) -> bool:
    """Also of one that was cut within a character."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(value) - 3
    return True
