"""OpenAI's own Python client, unmodified, with agents in the place of models."""

from __future__ import annotations

import asyncio

import pytest
from openai import (
    APIStatusError,
    AsyncOpenAI,
    BadRequestError,
    InternalServerError,
    NotFoundError,
)
from streaming_engine import StreamingEngine

pytestmark = pytest.mark.anyio

WEATHER = "Weather/ask"
TOKYO = "It is 22 degrees in Tokyo."


# ---- models


async def test_the_models_are_the_handlers_that_take_a_message(client: AsyncOpenAI) -> None:
    models = [model async for model in client.models.list()]
    assert [model.id for model in models] == [
        "Chat",
        "Desk/forecast",
        "Desk/refuse",
        "Desk/whisper",
        "Echo",
        "Weather/ask",
        "Weather/tell",
    ]
    assert all(model.object == "model" and model.created > 1_700_000_000 for model in models)


async def test_one_model_is_told(client: AsyncOpenAI) -> None:
    assert (await client.models.retrieve("Desk/forecast")).owned_by == "Desk"


async def test_an_unknown_model_is_told_what_there_is(client: AsyncOpenAI) -> None:
    for model in ("gpt-5", "Desk", "Weather", "Desk/secret", "Desk/add", "Desk/ping"):
        with pytest.raises(
            NotFoundError, match="Desk/forecast, Desk/refuse, Desk/whisper, Echo, Weather/ask, Weather/tell"
        ) as caught:
            await client.responses.create(model=model, input="Hello")
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


# ---- responses


async def test_an_agent_responds(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=WEATHER, input="How is it in Tokyo?")
    assert (response.status, response.output_text, response.model) == ("completed", TOKYO, WEATHER)
    assert response.usage is None, "nobody told: the run is not streamed"
    assert response.id.startswith("resp_inv_1")


async def test_a_response_is_retrieved(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=WEATHER, input="How is it in Tokyo?")
    assert await client.responses.retrieve(response.id) == response


async def test_a_conversation_is_a_list_of_items(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model="Echo", instructions="Be brief.", input="I am Ada.")
    assert first.output_text == "system: Be brief.; user: I am Ada."
    history = [{"role": "user", "content": "I am Ada."}, *(item.to_dict() for item in first.output)]
    picture = {"type": "input_image", "image_url": "data:,", "detail": "auto"}
    asked = {"role": "user", "content": [{"type": "input_text", "text": "Who?"}, picture]}
    second = await client.responses.create(model="Echo", input=[*history, asked])
    assert second.output_text == (
        "user: I am Ada.; assistant: system: Be brief.; user: I am Ada.; user: Who?+input_image"
    )


async def test_an_object_keeps_the_conversation(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model="Chat", input="I am Ada.")
    follow = {"model": "Chat", "input": "Who am I?"}
    second = await client.responses.create(**follow, previous_response_id=first.id)
    assert second.output_text == "user: I am Ada.; assistant: user: I am Ada.; user: Who am I?"
    assert first.conversation
    third = await client.responses.create(**follow, conversation=first.conversation.id)
    assert third.output_text.startswith(f"{second.output_text}; assistant: ")
    other = await client.responses.create(**follow)
    assert other.output_text == "user: Who am I?"


async def test_a_response_of_another_agent_is_no_conversation(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model=WEATHER, input="How is it?")
    for model, why in (("Chat", "another agent's"), ("Echo", "send the whole conversation")):
        with pytest.raises(BadRequestError, match=why):
            await client.responses.create(model=model, input="And now?", previous_response_id=first.id)


async def test_a_key_names_the_object(client: AsyncOpenAI) -> None:
    for header, user in (({"x-perdure-key": "room/1"}, "eve"), ({}, "room/1")):
        response = await client.responses.create(model="Chat", input="Hi", user=user, extra_headers=header)
        assert response.conversation is not None
        assert response.conversation.id == "room/1"
    assert response.output_text == "user: Hi; assistant: user: Hi; user: Hi"


async def test_an_output_that_is_no_text_is_its_json(client: AsyncOpenAI) -> None:
    form = {"format": {"type": "json_schema", "name": "forecast", "schema": {"type": "object"}}}
    response = await client.responses.create(model="Desk/forecast", input="Oslo", text=form)
    assert response.output_text == '{"city": "Oslo", "degrees": 22}'


async def test_a_response_streams(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model=WEATHER, input="How is it in Tokyo?") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TOKYO
    assert final.output_text == TOKYO
    assert (await client.responses.retrieve(final.id)).output[0].id == final.output[0].id


async def test_an_agent_that_streams_is_heard_word_by_word(client: AsyncOpenAI) -> None:
    asked = {"model": "Weather/tell", "stream": True}
    stream = await client.responses.create(**asked, input="How is it in Tokyo?")
    events = [event async for event in stream]
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(words) > 1
    assert "".join(words) == events[-1].response.output_text == TOKYO
    chunks = await client.chat.completions.create(**asked, messages=[user("How is it in Tokyo?")])
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in chunks]) == TOKYO


async def test_the_usage_of_an_agent_that_streams_is_told(client: AsyncOpenAI) -> None:
    """It asks its model twice, for 10 + 5 tokens each."""
    response = await client.responses.create(model="Weather/tell", input="How is it in Tokyo?")
    assert response.usage is not None
    told = (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens)
    assert told == (20, 10, 30)
    assert response.usage.input_tokens_details.cached_tokens == 0
    assert response.usage.output_tokens_details.reasoning_tokens == 0
    stream = await client.responses.create(model="Weather/tell", input="How is it in Tokyo?", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "response.completed"
    assert last.response.usage == response.usage
    assert (await client.responses.retrieve(last.response.id)).usage == response.usage


async def test_the_usage_of_a_chat_is_told_and_in_a_stream_to_who_asks_for_it(client: AsyncOpenAI) -> None:
    asked = {"model": "Weather/tell", "messages": [user("How is it in Tokyo?")]}
    completion = await client.chat.completions.create(**asked)
    usage = completion.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (20, 10, 30)
    for options in ({}, {"stream_options": {"include_usage": True}}):
        stream = await client.chat.completions.create(**asked, stream=True, **options)
        chunks = [chunk async for chunk in stream]
        told = [chunk for chunk in chunks if chunk.usage is not None]
        assert [(chunk.usage, chunk.choices) for chunk in told] == ([(usage, [])] if options else [])
        assert told == chunks[-1:] or not options


async def test_a_stream_is_read_on_after_any_event(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=WEATHER, input="How is it in Tokyo?", stream=True)
    events = [event async for event in stream]
    response_id = events[-1].response.id
    for at in range(-1, len(events)):
        read_on = await client.responses.retrieve(response_id, stream=True, starting_after=at)
        assert [event async for event in read_on] == events[at + 1 :]


async def test_a_response_in_the_background(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=WEATHER, input="How is it in Tokyo?", background=True)
    stream = await client.responses.retrieve(response.id, stream=True)
    assert [event.type async for event in stream][-1] == "response.completed"
    assert (await client.responses.retrieve(response.id)).output_text == TOKYO


async def test_what_has_ended_is_cancelled_in_vain(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model=WEATHER, input="How is it in Tokyo?")
    assert await client.responses.cancel(response.id) == response


@pytest.mark.parametrize("response_id", ["resp_1", "resp_inv_1" + "0" * 38])
async def test_an_unknown_response(client: AsyncOpenAI, response_id: str) -> None:
    with pytest.raises(NotFoundError, match="no response"):
        await client.responses.retrieve(response_id)
    with pytest.raises(NotFoundError, match="no response"):
        await client.responses.cancel(response_id)


async def test_a_failure_is_told_once_and_for_all(client: AsyncOpenAI) -> None:
    """The client would send the request anew after a 503, and the agent would run again."""
    with pytest.raises(InternalServerError, match="no luck today") as caught:
        await client.responses.create(model="Desk/refuse", input="luck")
    assert (caught.value.status_code, caught.value.code) == (503, "agent_failed")
    assert caught.value.response.headers["x-should-retry"] == "false"
    failed = await client.responses.retrieve(f"resp_{caught.value.response.headers['x-restate-id']}")
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.message == "no luck today"


async def test_a_failure_in_a_stream(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="Desk/refuse", input="luck", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "response.failed"
    assert last.response.error.message == "no luck today"


async def test_the_same_request_runs_once(client: AsyncOpenAI) -> None:
    for model in (WEATHER, "Chat"):
        asked = {"model": model, "input": "How is it?", "extra_headers": {"Idempotency-Key": "k1"}}
        first, second = [await client.responses.create(**asked) for _ in range(2)]
        assert first == second


async def test_what_is_not_retained_is_answered_once(engine: StreamingEngine, client: AsyncOpenAI) -> None:
    if engine.gateway is not None:
        pytest.skip("restate-server may have forgotten it before the gateway can wait for it: see the guide")
    response = await client.responses.create(model="Desk/whisper", input="Hush")
    assert response.output_text == "Hush..."

    async def asked_until_it_is_gone() -> None:
        while True:  # who has read its stream may keep it for a moment
            await client.responses.retrieve(response.id)

    with pytest.raises(NotFoundError, match="any more"):
        await asyncio.wait_for(asked_until_it_is_gone(), 10)


# ---- chat completions


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


async def test_an_agent_completes_a_chat(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model=WEATHER, messages=[user("How is it in Tokyo?")], temperature=0.2
    )
    assert completion.choices[0].message.content == TOKYO
    assert (completion.model, completion.choices[0].finish_reason) == (WEATHER, "stop")
    assert completion.usage is None, "nobody told: the run is not streamed"
    assert completion.id.startswith("chatcmpl-inv_1")
    assert (await client.responses.retrieve(completion.id)).output_text == TOKYO


async def test_a_chat_streams(client: AsyncOpenAI) -> None:
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model=WEATHER, messages=[user("How is it in Tokyo?")], stream=True
        )
    ]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TOKYO
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_history_of_a_chat_goes_to_a_handler_that_takes_a_list(client: AsyncOpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    completion = await client.chat.completions.create(
        model="Echo",
        messages=[
            {"role": "system", "content": "Be brief."},
            user("I am Ada."),
            {"role": "assistant", "content": "Hello Ada."},
            user([{"type": "text", "text": "Who is this?"}, picture]),
        ],
    )
    said = "system: Be brief.; user: I am Ada.; assistant: Hello Ada.; user: Who is this?+input_image"
    assert completion.choices[0].message.content == said


async def test_an_object_is_told_only_what_is_new_in_a_chat(client: AsyncOpenAI) -> None:
    messages = [user("I am Ada.")]
    said = []
    for _ in range(2):
        completion = await client.chat.completions.create(model="Chat", messages=messages, user="ada")
        said.append(completion.choices[0].message.content)
        messages += [{"role": "assistant", "content": said[-1]}, user("Who am I?")]
    assert said == ["user: I am Ada.", "user: I am Ada.; assistant: user: I am Ada.; user: Who am I?"]


async def test_a_failure_of_a_chat(client: AsyncOpenAI) -> None:
    asked = {"model": "Desk/refuse", "messages": [user("luck")]}
    with pytest.raises(InternalServerError, match="no luck today"):
        await client.chat.completions.create(**asked)
    with pytest.raises(Exception, match="no luck today"):
        [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]


# ---- refused


HISTORY = [user("I am Ada."), {"role": "assistant", "content": "Hello."}, user("Who am I?")]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"model": WEATHER, "messages": HISTORY}, r"list\[TResponseInputItem\].*DurableSession"),
        ({"model": WEATHER, "messages": [{"role": "system", "content": "x"}, user("y")]}, "2 messages"),
        ({"model": WEATHER, "messages": [user([{"type": "file", "file": {}}])]}, "an input_file"),
        (
            {"model": WEATHER, "messages": [user([{"type": "input_audio"}])]},
            "cannot hold such a 'input_audio'",
        ),
        ({"model": WEATHER, "messages": [{"role": "tool", "content": "x"}]}, "calls its own tools"),
        ({"model": WEATHER, "messages": [{"role": "pope", "content": "x"}]}, "no role 'pope'"),
        (
            {"model": "Echo", "messages": [user([{"type": "image_url", "image_url": "x"}])]},
            "such a 'image_url'",
        ),
        ({"model": "Echo", "messages": [user(["x"])]}, "messages.0.content"),
        ({"model": WEATHER, "messages": []}, "no message"),
        ({"model": WEATHER, "messages": "Hello"}, "messages: Input should be a valid array"),
        ({"model": WEATHER, "messages": [user("x")], "tools": [TOOL]}, "has its own tools"),
        ({"model": WEATHER, "messages": [user("x")], "n": 2}, "leave `n` out"),
        (
            {"model": WEATHER, "messages": [user("x")], "response_format": {"type": "json_object"}},
            "in text",
        ),
        ({"model": "Chat", "messages": [user("x")]}, "name its key in `user`"),
    ],
)
async def test_what_a_chat_may_not_ask_for(client: AsyncOpenAI, asked: dict[str, object], why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        await client.chat.completions.create(**asked)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"input": [user("a"), user("b")]}, "2 messages"),
        ({"input": "x", "instructions": "Be brief."}, "2 messages"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "has its own tools"),
        ({"input": 7}, "input"),
        ({"input": []}, "no message"),
        ({"input": "x", "text": {"format": {"type": "json_object"}}}, "answers in text"),
        ({"input": "x", "previous_response_id": "resp_1"}, "no response 'resp_1'"),
    ],
)
async def test_what_a_response_may_not_ask_for(
    client: AsyncOpenAI, asked: dict[str, object], why: str
) -> None:
    with pytest.raises(APIStatusError, match=why) as caught:
        await client.responses.create(model=WEATHER, **asked)
    assert caught.value.status_code in (400, 404)


@pytest.mark.parametrize(("method", "path"), [("GET", "/files"), ("DELETE", "/responses/resp_1")])
async def test_what_there_is_not(client: AsyncOpenAI, method: str, path: str) -> None:
    call = client.get if method == "GET" else client.delete
    with pytest.raises(NotFoundError, match=f"there is no {method} /v1{path} here"):
        await call(path, cast_to=object)
