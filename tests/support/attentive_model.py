"""A model behind OpenAI's APIs, whole and streamed, of whom one can tell what it was given.

Asked about `... in Oslo?` with a tool at hand it calls the tool with that word. Else it repeats all that its
user said, and behind an arrow what the tool returned: so an answer shows what was remembered.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents import ModelResponse, Usage
from app_in_thread import served_by_thread
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from perdure.testing.response_events import response_events, words

Item = dict[str, Any]


class AttentiveModel:
    """silent: the word for whose sake it leaves the next question with it unanswered; `thinks` is set then.
    env: what makes a process use it.
    """

    def __init__(self, silent: str | None = None) -> None:
        self.silent = silent
        self.thinks = threading.Event()
        self.env: dict[str, str] = {}
        self._app = Starlette(
            routes=[
                Route("/v1/responses", self._respond, methods=["POST"]),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    @contextmanager
    def serving(self) -> Iterator[AttentiveModel]:
        with served_by_thread(self._app) as url:
            self.env = {
                "OPENAI_BASE_URL": f"{url}/v1",
                "OPENAI_API_KEY": "none",
                "OPENAI_AGENTS_DISABLE_TRACING": "1",
            }
            yield self

    async def _answer(self, request: Request, conversation: list[Item], tools: list[Item]) -> str | Item:
        """What it says, or which tool it calls with what."""
        said = [_text(item["content"]) for item in conversation if item.get("role") == "user"]
        if self.silent is not None and self.silent in said[-1]:
            self.silent = None
            self.thinks.set()
            await request.receive()  # that nobody waits any more
        last = conversation[-1]
        if last.get("type") == "function_call_output" or last.get("role") == "tool":
            return f"{' | '.join(said)} -> {_text(last.get('output', last.get('content')))}"
        place = re.search(r" in (\w+)\?", said[-1])
        if place is None or not tools:
            return " | ".join(said)
        tool = tools[0].get("function", tools[0])
        (parameter,) = tool["parameters"]["properties"]
        return {"name": tool["name"], "arguments": json.dumps({parameter: place[1]})}

    async def _respond(self, request: Request) -> Response:
        asked = await request.json()
        given = asked["input"]
        conversation = [{"role": "user", "content": given}] if isinstance(given, str) else given
        answer = await self._answer(request, conversation, asked.get("tools") or [])
        number = len(conversation)
        item: Any
        if isinstance(answer, str):
            part = ResponseOutputText(type="output_text", text=answer, annotations=[])
            item = ResponseOutputMessage(
                id=f"msg_{number}", type="message", role="assistant", status="completed", content=[part]
            )
        else:
            item = ResponseFunctionToolCall(
                id=f"fc_{number}", call_id=f"call_{number}", type="function_call", **answer
            )
        usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
        response = ModelResponse(output=[item], usage=usage, response_id=f"resp_{number}")
        events = list(response_events(response))
        if not asked.get("stream"):
            return JSONResponse(events[-1].response.model_dump(mode="json"))
        lines = (f"event: {event.type}\ndata: {event.model_dump_json()}\n\n" for event in events)
        return StreamingResponse(lines, media_type="text/event-stream")

    async def _complete(self, request: Request) -> Response:
        asked = await request.json()
        answer = await self._answer(request, asked["messages"], asked.get("tools") or [])
        call = {"id": f"call_{len(asked['messages'])}", "type": "function", "function": answer}
        told = {"content": answer} if isinstance(answer, str) else {"content": None, "tool_calls": [call]}
        finish = "stop" if isinstance(answer, str) else "tool_calls"
        head = {"id": "chatcmpl-1", "created": 0, "model": asked["model"]}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        if not asked.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", **told}, "finish_reason": finish}
            return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        deltas = (
            [{"content": word} for word in words(answer)]
            if isinstance(answer, str)
            else [{"tool_calls": [{"index": 0, **call}]}]
        )
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        chunks: list[Item] = [
            {**head, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices
        ]
        chunks.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")


def _text(content: Any) -> str:
    """Of content that is a text, or a list of parts that have one."""
    return content if isinstance(content, str) else " ".join(part["text"] for part in content)
