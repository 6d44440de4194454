"""The client for browsers, an ES module that both doors serve: a page needs no build step to use it."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, Response

_MODULE = Path(__file__).with_name("perdure.js")


def module_response() -> Response:
    """`GET /restate/client.js`. It is asked for again each time, so that it fits the door that serves it."""
    return FileResponse(_MODULE, media_type="text/javascript", headers={"cache-control": "no-cache"})
