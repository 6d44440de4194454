"""Values as JSON that people write: read strictly, and written so that UTF-8 carries it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain

CHARS_MAX = 262_144
DEPTH_MAX = 100
"""What people write is smaller; what is not would hold the engine up while a form is made of it."""


def dumps(value: object, indent: int | None = None) -> str:
    """Half a surrogate pair stays escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if _is_unicode(text) else json.dumps(value, indent=indent)


def loads(text: str) -> object:
    """Raises ValueError for what is not JSON, or too much of it, in words for people."""
    if len(text) > CHARS_MAX:
        raise ValueError(f"longer than {CHARS_MAX:,} characters: send it with curl")
    try:
        value: object = json.loads(text, parse_constant=_refuse)
        json.dumps(value, allow_nan=False)  # 1e999 is a number in JSON, and none in Python
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: too deep") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if _is_deeper_than(value, DEPTH_MAX):
        raise ValueError(f"more than {DEPTH_MAX} levels: send it with curl")
    return value


def _is_deeper_than(value: object, levels: int) -> bool:
    inside: list[object] = [value]
    for _ in range(levels):
        inside = list(chain.from_iterable(_members(each) for each in inside))
    return bool(inside)


def _members(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no value")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
