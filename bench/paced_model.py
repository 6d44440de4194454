"""An OpenAI-compatible server whose model speaks one word every so often. `python paced_model.py PORT`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import uvicorn
from agents import ModelResponse, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from perdure.testing.response_events import DELTAS, response_events


async def respond(request: Request) -> StreamingResponse:
    """The input is `<words> <milliseconds between two> <milliseconds before the first>`."""
    asked = (await request.json())["input"]
    text = asked if isinstance(asked, str) else asked[-1]["content"]
    words, pace_ms, thinks_ms = text.split()
    events = _events(int(words), float(pace_ms) / 1000, float(thinks_ms) / 1000)
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(words: int, pace_s: float, thinks_s: float) -> AsyncIterator[str]:
    part = ResponseOutputText(type="output_text", text="word " * words, annotations=[])
    message = ResponseOutputMessage(
        id="msg_1", type="message", role="assistant", status="completed", content=[part]
    )
    usage = Usage(requests=1, input_tokens=10, output_tokens=words, total_tokens=10 + words)
    due = time.perf_counter() + thinks_s - pace_s
    for event in response_events(ModelResponse(output=[message], usage=usage, response_id="resp_1")):
        if event.type in DELTAS:
            due += pace_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        yield f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"


async def healthy(_request: Request) -> Response:
    """There is a server."""
    return Response()


app = Starlette(routes=[Route("/v1/responses", respond, methods=["POST"]), Route("/", healthy)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
