"""The control of one plain value: a text, a number, a tick, a choice.

None stands for a value that no control shows exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from perdure.ui.schema_form.field import Kind, Option
from perdure.ui.schema_form.json_values import dumps
from perdure.ui.schema_form.posted import Unread
from perdure.ui.schema_form.schema import MISSING, Schema, is_null, type_of

# What HTML's controls and parsers change on the way, and what UTF-8 cannot carry.
_CHANGED_BY_BROWSERS = re.compile(r"[\x00\r\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Control:
    """prefix: how its name begins, which says how it is read: see `posted`."""

    kind: Kind
    prefix: str
    text: str = ""
    options: Sequence[Option] = ()


def control_of(part: Schema, value: object, is_required: bool, is_nullable: bool) -> Control | None:
    """is_nullable: null is a value too, beside what the schema says."""
    # What was null stays so, and what must be there is null where it is blank.
    null_if_blank = is_nullable and (value is None or (is_required and value is not MISSING))
    blank = _is_blank(value, is_nullable)
    if "enum" in part or "const" in part or is_null(part):
        offered = part["enum"] if isinstance(part.get("enum"), list) else [part.get("const")]
        return _choice(offered, value, blank, is_required, is_nullable, null_if_blank)
    match type_of(part):
        case "string":
            kept_blank = value == "" or (is_required and not is_nullable and value is not MISSING)
            prefix = "text" if kept_blank else "text0" if null_if_blank else "text?"
            return _text(value, blank, prefix)
        case "integer" | "number":
            return _number(value, blank, "json0" if null_if_blank else "json")
        case "boolean":
            if isinstance(value, bool) and is_required and not is_nullable:
                return Control("flag", "json", dumps(value))
            return _choice([True, False], value, blank, is_required, is_nullable, null_if_blank)
    return None


def _text(value: object, blank: bool, prefix: str) -> Control | None:
    if isinstance(value, str) and not _CHANGED_BY_BROWSERS.search(value):
        return Control("text", prefix, value)
    return Control("text", prefix) if blank else None


def _number(value: object, blank: bool, prefix: str) -> Control | None:
    if isinstance(value, Unread):
        return Control("number", prefix, value.text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Control("number", prefix, dumps(value))
    return Control("number", prefix) if blank else None


def _choice(
    offered: Sequence[object],
    value: object,
    blank: bool,
    is_required: bool,
    is_nullable: bool,
    null_if_blank: bool,
) -> Control | None:
    texts = [dumps(each) for each in offered]
    if isinstance(value, Unread) and not blank:
        return None
    chosen = "" if blank else dumps(value)
    if len(texts) == 1 and is_required and chosen == texts[0]:
        return Control("fixed", "json", chosen)
    if chosen and chosen not in texts:
        return None
    options = [
        Option(text, each if isinstance(each, str) else text, text == chosen)
        for each, text in zip(offered, texts, strict=True)
    ]
    if not chosen or not is_required or is_nullable:
        options.insert(0, Option("", "null" if is_nullable and is_required else "", not chosen))
    return Control("choice", "json0" if null_if_blank else "json", options=options)


def _is_blank(value: object, is_nullable: bool) -> bool:
    nothing = value is MISSING or (isinstance(value, Unread) and not value.text.strip())
    return nothing or (value is None and is_nullable)
