"""The events in which the Responses API streams an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agents import ModelResponse
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)

DELTAS = frozenset({"response.output_text.delta", "response.function_call_arguments.delta"})


def words(text: str) -> list[str]:
    """The text in pieces of a word and the space behind it."""
    return re.findall(r"\S+\s*|\s+", text)


def response_events(answer: ModelResponse) -> Iterator[Any]:
    """The events that stream `answer`, whose output is messages of one text and function calls. Each text
    and each call's arguments come word by word.
    """
    started = _response(answer, "in_progress", [])
    events: list[tuple[type[Any], str, dict[str, Any]]] = [
        (ResponseCreatedEvent, "response.created", {"response": started})
    ]
    for index, item in enumerate(answer.output):
        if isinstance(item, ResponseOutputMessage):
            events += _message(index, item)
        elif isinstance(item, ResponseFunctionToolCall):
            events += _function_call(index, item)
    completed = _response(answer, "completed", list(answer.output))
    events.append((ResponseCompletedEvent, "response.completed", {"response": completed}))
    for number, (event, kind, fields) in enumerate(events):
        yield event(type=kind, sequence_number=number, **fields)


def _message(index: int, item: ResponseOutputMessage) -> Iterator[tuple[type[Any], str, dict[str, Any]]]:
    part = item.content[0]
    assert isinstance(part, ResponseOutputText)
    at = {"item_id": item.id, "output_index": index, "content_index": 0}
    empty = part.model_copy(update={"text": ""})
    begun = item.model_copy(update={"content": [], "status": "in_progress"})
    yield ResponseOutputItemAddedEvent, "response.output_item.added", {"item": begun, "output_index": index}
    yield ResponseContentPartAddedEvent, "response.content_part.added", {**at, "part": empty}
    for word in words(part.text):
        delta = {**at, "delta": word, "logprobs": []}
        yield ResponseTextDeltaEvent, "response.output_text.delta", delta
    yield ResponseTextDoneEvent, "response.output_text.done", {**at, "text": part.text, "logprobs": []}
    yield ResponseContentPartDoneEvent, "response.content_part.done", {**at, "part": part}
    yield ResponseOutputItemDoneEvent, "response.output_item.done", {"item": item, "output_index": index}


def _function_call(
    index: int, item: ResponseFunctionToolCall
) -> Iterator[tuple[type[Any], str, dict[str, Any]]]:
    at = {"item_id": item.id, "output_index": index}
    begun = item.model_copy(update={"arguments": ""})
    yield ResponseOutputItemAddedEvent, "response.output_item.added", {"item": begun, "output_index": index}
    for word in words(item.arguments):
        delta = {**at, "delta": word}
        yield ResponseFunctionCallArgumentsDeltaEvent, "response.function_call_arguments.delta", delta
    done = {**at, "arguments": item.arguments, "name": item.name}
    yield ResponseFunctionCallArgumentsDoneEvent, "response.function_call_arguments.done", done
    yield ResponseOutputItemDoneEvent, "response.output_item.done", {"item": item, "output_index": index}


def _response(answer: ModelResponse, status: Any, output: list[Any]) -> Response:
    usage = answer.usage
    return Response(
        id=answer.response_id or "resp",
        created_at=0,
        model="scripted",
        object="response",
        status=status,
        output=output,
        parallel_tool_calls=True,
        tool_choice="auto",
        tools=[],
        usage=ResponseUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
            input_tokens_details=usage.input_tokens_details,
            output_tokens_details=usage.output_tokens_details,
        )
        if status == "completed"
        else None,
    )
