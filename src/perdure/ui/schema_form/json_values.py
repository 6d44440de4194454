"""Values as JSON that people write: read strictly, and written so that UTF-8 carries it."""

from __future__ import annotations

import json


def dumps(value: object, indent: int | None = None) -> str:
    """Half a surrogate pair stays escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if _is_unicode(text) else json.dumps(value, indent=indent)


def loads(text: str) -> object:
    """Raises ValueError for what is not JSON, in words for people."""
    try:
        value: object = json.loads(text, parse_constant=_refuse)
        json.dumps(value, allow_nan=False)  # 1e999 is a number in JSON, and none in Python
        return value
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: too deep") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no value")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
