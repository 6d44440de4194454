"""Streams through the door: superseded text, readers that leave, and the process killed in the middle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import storyteller
from openai import APIConnectionError, APIError, AsyncOpenAI
from streaming_engine import StreamingEngine

pytestmark = pytest.mark.anyio

TARGET = storyteller.__file__
SAME, OTHER = "Once upon a time there was an end.", "A long time ago."
OPENING = "".join(storyteller.OPENING)


def said(events: list[Any], status: str) -> list[str]:
    """The texts of the items that ended so, put together from their deltas."""
    done = [e.item for e in events if e.type == "response.output_item.done" and e.item.status == status]
    deltas = [e for e in events if e.type == "response.output_text.delta"]
    return ["".join(e.delta for e in deltas if e.item_id == item.id) for item in done]


async def events_of(client: AsyncOpenAI, response_id: str, **after: int) -> list[Any]:
    return [event async for event in await client.responses.retrieve(response_id, stream=True, **after)]


@pytest.mark.parametrize("text", [SAME, OTHER])
async def test_a_superseded_text_is_an_incomplete_item(client: AsyncOpenAI, text: str) -> None:
    async with client.responses.stream(model="Story/broken", input=text) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert said(events, "incomplete") == [OPENING]
    assert said(events, "completed") == [final.output_text] == [text]
    raw = await events_of(client, final.id)
    for at, event in enumerate(raw):
        assert event.sequence_number == at
        assert await events_of(client, final.id, starting_after=at) == raw[at + 1 :]


async def test_a_chat_goes_on_where_the_model_says_the_same_again(client: AsyncOpenAI) -> None:
    assert await chat(client, "Story/broken", SAME) == SAME


async def test_a_chat_that_cannot_go_on_ends_with_an_error(client: AsyncOpenAI) -> None:
    sent: list[str] = []
    with pytest.raises(APIError, match="begins in other words") as caught:
        await chat(client, "Story/broken", OTHER, sent)
    assert "".join(sent) == OPENING
    assert caught.value.code == "superseded"


async def test_what_is_said_before_the_answer(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model="Story/commented", input=SAME) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert said(events, "completed") == ["Let me think.", SAME]
    assert final.output_text == SAME
    assert await chat(client, "Story/commented", SAME) == f"Let me think.\n\n{SAME}"


async def chat(client: AsyncOpenAI, model: str, text: str, sent: list[str] | None = None) -> str:
    sent = [] if sent is None else sent
    messages: Any = [{"role": "user", "content": text}]
    async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True):
        sent.append(chunk.choices[0].delta.content or "")
    return "".join(sent)


async def test_a_reader_that_leaves_does_not_end_the_run(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="Room", input="Hi", stream=True)
    created = await anext(stream)
    await stream.close()
    running = await client.responses.retrieve(created.response.id)
    assert (running.status, running.output) == ("in_progress", [])
    assert (await client.responses.cancel(running.id)).status == "cancelled"
    *_, last = await events_of(client, running.id)
    assert (last.type, last.response.status) == ("response.failed", "cancelled")


async def test_a_response_waits_for_its_object(client: AsyncOpenAI) -> None:
    first, second = [
        await client.responses.create(model="Room", input="Hi", conversation="r1", background=True)
        for _ in range(2)
    ]
    assert (first.status, second.status) == ("in_progress", "queued")
    await client.responses.cancel(first.id)
    assert (await client.responses.retrieve(second.id)).status == "in_progress"
    await client.responses.cancel(second.id)


async def read_until_opened(
    client: AsyncOpenAI, response_id: str, opened: Callable[[], Awaitable[None]], events: list[Any]
) -> None:
    """Read a stream into `events`, to its end if it has one; call `opened` once the opening has been told."""
    async for event in await client.responses.retrieve(response_id, stream=True):
        events.append(event)
        if event.type == "response.output_text.delta" and event.delta == storyteller.OPENING[-1]:
            await opened()


async def test_the_handlers_process_is_killed(engine: StreamingEngine, client: AsyncOpenAI) -> None:
    """The stream goes on by itself."""
    response = await client.responses.create(model="Story/killed", input=OTHER, background=True)
    events: list[Any] = []
    await read_until_opened(client, response.id, engine.restart_handlers, events)
    assert (said(events, "incomplete"), said(events, "completed")) == ([OPENING], [OTHER])
    assert events[-1].response.output_text == OTHER


async def test_everything_is_killed(engine: StreamingEngine, client: AsyncOpenAI) -> None:
    """The stream is read on after the last event that came."""
    response = await client.responses.create(model="Story/killed", input=f"{OTHER} So.", background=True)
    events: list[Any] = []

    async def kill() -> None:
        engine.kill()

    with pytest.raises(APIConnectionError):
        await read_until_opened(client, response.id, kill, events)
    await engine.start()
    events += await events_of(client, response.id, starting_after=events[-1].sequence_number)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (said(events, "incomplete"), said(events, "completed")) == ([OPENING], [f"{OTHER} So."])
    assert (await client.responses.retrieve(response.id)).output_text == f"{OTHER} So."
