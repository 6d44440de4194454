"""`/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.door.answer import awaited, steps
from perdure.door.calls import CHAT_PREFIX, Calls, Run
from perdure.door.chat_chunks import chat_text
from perdure.door.errors import AGENT_FAILED, error_body, failure_response
from perdure.door.requests import ChatRequest, decode
from perdure.door.responses_api import ID_HEADER
from perdure.door.sse import event_stream, frame
from perdure.door.usage import of_completion
from perdure.errors import OpenAIRequestError, RequestError

CHUNK = "chat.completion.chunk"
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
            return event_stream(self._frames(run, asked.wants_usage), headers)
        ended = await awaited(self._calls.invocations, run.invocation.id)
        if ended.failed:
            return failure_response(ended.failed, headers)
        text = ended.part.text if ended.part else ""
        choice = {"message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": "stop"}
        completion = _completion(run, "chat.completion", choice) | {"usage": of_completion(ended.usage)}
        return JSONResponse(completion, headers=headers)

    async def _frames(self, run: Run, wants_usage: bool) -> AsyncIterator[str]:
        try:
            yield _chunk(run, {"role": "assistant", "content": ""})
            log = self._calls.invocations.log(run.invocation.id)
            async for said in chat_text(steps(log)):
                if isinstance(said, str):
                    yield _chunk(run, {"content": said})
                    continue
                if said.failed:
                    yield frame(error_body(said.failed.code, said.failed.message, AGENT_FAILED))
                    return
                yield _chunk(run, {}, "stop")
                if wants_usage and said.usage:
                    yield frame(_completion(run, CHUNK) | {"usage": of_completion(said.usage)})
                yield DONE
        except RequestError as error:
            code = error.code if isinstance(error, OpenAIRequestError) else None
            yield frame(error_body(error.status, error.message, code))


def _chunk(run: Run, delta: dict[str, Any], finish_reason: str | None = None) -> str:
    choice = {"delta": delta, "finish_reason": finish_reason}
    return frame(_completion(run, CHUNK, choice))


def _completion(run: Run, kind: str, *choices: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": CHAT_PREFIX + run.invocation.id,
        "object": kind,
        "created": run.invocation.created_at_ms // 1000,
        "model": run.model,
        "choices": [{"index": 0, "logprobs": None, **choice} for choice in choices],
    }
