"""`/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.door.answer import Failed, awaited, steps
from perdure.door.calls import CHAT_PREFIX, Calls, Run
from perdure.door.chat_chunks import chat_text
from perdure.door.errors import AGENT_FAILED, error_body, failure_response
from perdure.door.requests import ChatRequest, decode
from perdure.door.responses_api import ID_HEADER
from perdure.door.sse import event_stream, frame
from perdure.errors import OpenAIRequestError, RequestError

DONE = "data: [DONE]\n\n"


class ChatApi:
    """One coroutine a route."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, request: Request, body: bytes) -> Response:
        """Whole or as a stream. It runs on if the client leaves."""
        asked = decode(body, ChatRequest)
        run = await self._calls.complete(request, asked)
        headers = {ID_HEADER: run.invocation.id}
        if asked.stream:
            return event_stream(self._frames(run), headers)
        ended = await awaited(self._calls.invocations, run.invocation.id)
        if ended.failed:
            return failure_response(ended.failed, headers)
        text = ended.part.text if ended.part else ""
        choice = {"message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": "stop"}
        return JSONResponse(_completion(run, "chat.completion", choice), headers=headers)

    async def _frames(self, run: Run) -> AsyncIterator[str]:
        try:
            yield _chunk(run, {"role": "assistant", "content": ""})
            log = self._calls.invocations.log(run.invocation.id)
            async for text in chat_text(steps(log)):
                if isinstance(text, Failed):
                    yield frame(error_body(text.code, text.message, AGENT_FAILED))
                    return
                yield _chunk(run, {"content": text})
            yield _chunk(run, {}, "stop")
            yield DONE
        except RequestError as error:
            code = error.code if isinstance(error, OpenAIRequestError) else None
            yield frame(error_body(error.status, error.message, code))


def _chunk(run: Run, delta: dict[str, Any], finish_reason: str | None = None) -> str:
    choice = {"delta": delta, "finish_reason": finish_reason}
    return frame(_completion(run, "chat.completion.chunk", choice))


def _completion(run: Run, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    """No usage: no stream holds it."""
    return {
        "id": CHAT_PREFIX + run.invocation.id,
        "object": kind,
        "created": run.invocation.created_at_ms // 1000,
        "model": run.model,
        "choices": [{"index": 0, "logprobs": None, **choice}],
    }
