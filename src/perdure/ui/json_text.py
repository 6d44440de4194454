"""JSON as text, laid out anew: every number and every string stays what it was.

Parsing and writing it again would not do: 1.10 would become 1.1, 1e400 infinity, and one of two equal names
would be gone. Whoever approves a payment or edits a state must see what is there.
"""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_OPEN, _CLOSE = frozenset("[{"), frozenset("]}")
_INDENTED_LEVELS_MAX = 40
"""Deeper levels begin at the same column: 900 of them would make 300 MB of spaces of 300 kB."""


def indented(text: str) -> str:
    """One value a line. Raises ValueError for what is no JSON."""
    parts: list[str] = []
    depth = 0
    tokens = _tokens(text)
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else ""
        if token in _CLOSE:
            depth -= 1
        if (
            (before in _OPEN and token not in _CLOSE)
            or (token in _CLOSE and before not in _OPEN)
            or before == ","
        ):
            parts.append("\n" + "  " * min(depth, _INDENTED_LEVELS_MAX))
        if token in _OPEN:
            depth += 1
        parts.append(": " if token == ":" else _readable(token))
    return "".join(parts)


def compact(text: str) -> str:
    """Without white space. Raises ValueError for what is no JSON."""
    return "".join(_tokens(text))


def check(text: str) -> None:
    """Raises ValueError for what is no JSON."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _tokens(text: str) -> list[str]:
    check(text)
    return _TOKEN.findall(text)


def _readable(token: str) -> str:
    """Letters in place of their escapes; what a page could not show stays escaped."""
    if not token.startswith('"') or "\\" not in token:
        return token
    written = json.dumps(json.loads(token), ensure_ascii=False)
    return token if any(0xD800 <= ord(char) < 0xE000 for char in written) else written


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
