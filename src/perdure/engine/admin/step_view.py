"""A step of a journal as JSON. What may be in a value is the user's business: it is told in base64."""

from __future__ import annotations

import base64
from dataclasses import fields
from datetime import datetime

from perdure.protocol.steps import Step

_FIELDS = tuple(field.name for field in fields(Step))


def step_view(step: Step) -> dict[str, object]:
    """Under the names of Step's fields; those that are None or 0 are omitted."""
    told = {name: value for name in _FIELDS if (value := getattr(step, name)) is not None}
    return {name: _json(value) for name, value in told.items()}


def _json(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
