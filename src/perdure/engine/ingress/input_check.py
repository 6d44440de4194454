"""Is a request body what the handler said that it takes?

Checked at the door, against the manifest's content type and JSON schema: a body that the handler could never
read is the client's mistake and gets a 4xx, instead of an invocation that fails.
"""

from __future__ import annotations

import json
from typing import Any

from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerManifest
from perdure.protocol.input_schema import mismatch


def check_input(handler: HandlerManifest, content_type: str | None, body: bytes) -> None:
    """Raises RequestError(400) for a wrong body or content type, as restate-server does."""
    expected = handler.input_content_type
    if expected is None:
        if body or content_type is not None:
            raise RequestError(
                400, f"handler '{handler.name}' takes no input: send neither body nor content-type"
            )
        return
    if content_type is None and body:
        raise RequestError(400, f"no content-type: handler '{handler.name}' takes {expected}")
    if content_type is not None and body and not _matches(content_type, expected):
        raise RequestError(400, f"handler '{handler.name}' takes {expected}, not {content_type}")
    if _matches(expected, "application/json"):
        _check_json(handler, body)


def _check_json(handler: HandlerManifest, body: bytes) -> None:
    schema = handler.input_schema
    if not body:
        # An absent body is read as null by the SDKs.
        if schema is not None and mismatch(schema, None) is not None:
            raise RequestError(
                400, f"empty body: handler '{handler.name}' needs JSON that matches {_short(schema)}"
            )
        return
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None
    if schema is None:
        return
    if (wrong := mismatch(schema, value)) is not None:
        where = f" at {wrong.json_path}" if wrong.path else ""
        what = f"the body does not match the input schema of handler '{handler.name}'{where}"
        raise RequestError(400, f"{what}: {_cut(wrong.message)}")


def _matches(content_type: str, expected: str) -> bool:
    """By type and subtype; parameters (a charset) do not matter, and either side may be a wildcard."""
    given, wanted = (text.split(";")[0].strip().lower() for text in (content_type, expected))
    return wanted in ("*/*", given) or (wanted.endswith("/*") and given.startswith(wanted[:-1]))


def _short(schema: Any) -> str:
    return _cut(json.dumps(schema))


def _cut(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}…"
