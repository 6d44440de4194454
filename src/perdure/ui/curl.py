"""A call as a line for the shell."""

from __future__ import annotations

import shlex
from urllib.parse import quote


def curl(
    ingress_url: str,
    target: str,
    *,
    key: str | None = None,
    body: str | None = None,
    content_type: str = "application/json",
    idempotency_key: str | None = None,
    send: bool = False,
    delay_ms: int = 0,
    streams: bool = False,
) -> str:
    """body: None sends none. send: return at once. streams: and be told what happens, as it does."""
    service, _, handler = target.partition("/")
    path = "/".join(quote(part, safe="") for part in (service, key, handler) if part is not None)
    url = f"{ingress_url}/{path}{'/send' if send else ''}{f'?delay={delay_ms}ms' if delay_ms else ''}"
    words = ["curl", *(["-N"] if streams else []), url]
    if body is None:
        words += ["-X", "POST"]
    elif content_type == "application/json":
        words += ["--json", body]
    else:
        # not --data-binary: a text that begins with @ would be the name of a file
        words += ["-H", f"content-type: {content_type}", "--data-raw", body]
    if streams:
        words += ["-H", "accept: text/event-stream"]
    if idempotency_key is not None:
        words += ["-H", f"idempotency-key: {idempotency_key}"]
    return " ".join(map(shlex.quote, words))
