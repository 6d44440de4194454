"""Server-sent events as OpenAI writes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

from perdure.stream_answers.answer import KEEP_ALIVE_S
from perdure.streams.sse import KEEP_ALIVE, MEDIA_TYPE

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def frame(data: Any, event: str | None = None) -> str:
    """One event; `data` is JSON."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def event_stream(frames: AsyncIterator[str], headers: dict[str, str]) -> StreamingResponse:
    """The answer. A comment goes out where there is silence for long: what lies between would hang up."""
    return StreamingResponse(_kept_alive(frames), media_type=MEDIA_TYPE, headers={**_HEADERS, **headers})


async def _kept_alive(frames: AsyncIterator[str]) -> AsyncIterator[str]:
    following: asyncio.Future[str | None] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(frames, None))
            if not (await asyncio.wait({following}, timeout=KEEP_ALIVE_S))[0]:
                yield KEEP_ALIVE.decode()
                continue
            ready, following = following.result(), None
            if ready is None:
                return
            yield ready
    finally:
        if following is not None:
            following.cancel()
