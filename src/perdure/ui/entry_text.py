"""The value of a state's entry as text that a person edits in a form, and back.

State is bytes. Most of it is JSON, some is text, and a form's text field keeps neither control characters nor
the difference between line ends, so what has those is edited as hexadecimal digits.
"""

from __future__ import annotations

import unicodedata
from hashlib import blake2b
from typing import Literal, TypeGuard

from perdure.ui.json_text import check, compact, indented

Kind = Literal["json", "text", "bytes"]
KINDS: dict[Kind, str] = {"json": "JSON", "text": "text", "bytes": "bytes, as hexadecimal digits"}
_BYTES_A_LINE = 32
_LAID_OUT_CHARS_MAX = 65_536
"""Longer JSON is edited as it is stored: to lay it out takes the engine's loop seconds."""


def is_kind(text: str) -> TypeGuard[Kind]:
    return text in KINDS


def kind_of(value: bytes) -> Kind:
    """What it is best edited as."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "bytes"
    try:
        check(text)
    except ValueError:
        kept = all(char in "\n\t" or unicodedata.category(char) != "Cc" for char in text)
        return "text" if kept else "bytes"
    return "json"


def shown(value: bytes) -> str:
    """As its kind; JSON laid out."""
    match kind_of(value):
        case "json":
            text = value.decode()
            return indented(text) if len(text) <= _LAID_OUT_CHARS_MAX else text
        case "text":
            return value.decode()
        case "bytes":
            lines = (value[at : at + _BYTES_A_LINE] for at in range(0, len(value), _BYTES_A_LINE))
            return "\n".join(line.hex(" ") for line in lines)


def written(kind: Kind, text: str, before: bytes | None = None) -> bytes:
    """The value that somebody wrote; JSON without white space. What was only laid out, and not changed, stays
    as it was `before`.

    Raises ValueError, with what is wrong with it.
    """
    text = text.replace("\r\n", "\n")  # which is how forms send every line
    match kind:
        case "json":
            try:
                value = compact(text).encode()
            except ValueError as error:
                raise ValueError(f"this is no JSON: {error}") from None
            if before is not None and kind_of(before) == "json" and compact(shown(before)).encode() == value:
                return before
            return value
        case "text":
            return text.encode()
        case "bytes":
            try:
                return bytes.fromhex(text)
            except ValueError:
                raise ValueError("write two hexadecimal digits for each byte: 00 ff 1a") from None


def digest(value: bytes | None) -> str:
    """What a form says that its edit was made from; "" for no entry."""
    return "" if value is None else blake2b(value, digest_size=16).hexdigest()
