"""What a model answered comes back from the journal as it was, and errors as the SDK's own."""

from __future__ import annotations

import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import httpx2
import openai
import pytest
from agents import ModelResponse, Usage
from agents.usage import RequestUsage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types.responses import (
    ResponseCodeInterpreterToolCall,
    ResponseComputerToolCall,
    ResponseFileSearchToolCall,
    ResponseFunctionToolCall,
    ResponseFunctionWebSearch,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
)
from openai.types.responses.response_computer_tool_call import ActionClick
from openai.types.responses.response_function_web_search import ActionSearch
from openai.types.responses.response_reasoning_item import Summary
from pydantic import BaseModel

from perdure.openai.codec import MODEL_RESPONSE, failure_from_json, failure_to_json

ITEMS: list[Any] = [
    ResponseOutputMessage(
        id="m",
        type="message",
        role="assistant",
        status="completed",
        content=[
            ResponseOutputText(type="output_text", text="Grüße 22°C", annotations=[]),
            ResponseOutputRefusal(type="refusal", refusal="no"),
        ],
    ),
    ResponseFunctionToolCall(type="function_call", call_id="c", name="f", arguments='{"a":1}'),
    ResponseReasoningItem(
        id="r", type="reasoning", summary=[Summary(text="hm", type="summary_text")], encrypted_content="xyz"
    ),
    ResponseFunctionWebSearch(
        id="w", type="web_search_call", status="completed", action=ActionSearch(type="search", query="q")
    ),
    ResponseFileSearchToolCall(id="fs", type="file_search_call", status="completed", queries=["q"]),
    ResponseCodeInterpreterToolCall(
        id="ci", type="code_interpreter_call", status="completed", container_id="x", code="1", outputs=None
    ),
    ResponseComputerToolCall(
        id="cc",
        type="computer_call",
        call_id="c",
        status="completed",
        pending_safety_checks=[],
        action=ActionClick(type="click", button="left", x=1, y=2),
    ),
    # models that do not keep to the schema: an extra field, a value that is not in the enumeration
    ResponseFunctionToolCall.model_validate(
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "provider_data": {"k": [1]}}
    ),
    ResponseOutputMessage.construct(id="m", type="message", role="assistant", status=None, content=[]),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_every_kind_of_output_item_survives_the_journal(item: Any) -> None:
    usage = Usage(requests=1, input_tokens=7, output_tokens=3, total_tokens=10)
    usage.input_tokens_details.cached_tokens = 5
    usage.output_tokens_details.reasoning_tokens = 2
    details = {
        "input_tokens_details": usage.input_tokens_details,
        "output_tokens_details": usage.output_tokens_details,
    }
    usage.request_usage_entries = [RequestUsage(input_tokens=7, output_tokens=3, total_tokens=10, **details)]
    response = ModelResponse([item], usage, "resp_1", "req_1", {"raw": {"tokens": 10}})

    again = through_json(response)

    assert again == response
    assert type(again.output[0]) is type(item)
    assert again.output[0].model_dump(exclude_unset=True) == item.model_dump(
        exclude_unset=True, warnings=False
    )
    assert again.to_input_items() == response.to_input_items()


def through_json(response: ModelResponse) -> ModelResponse:
    return MODEL_RESPONSE.from_json(*json.loads(json.dumps(MODEL_RESPONSE.to_json(response))))


# ---- every kind of item that the API's schema knows

KINDS: list[type[BaseModel]] = list(get_args(get_args(ResponseOutputItem)[0]))


@st.composite
def payloads(draw: st.DrawFn, kind: Any, depth: int = 0) -> Any:
    """JSON of a type, as the API could send it: fields that are not required come and go."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return draw(payloads(args[0], depth))
    if origin in (Union, UnionType):
        return draw(payloads(draw(st.sampled_from(args)), depth))
    if origin is Literal:
        return draw(st.sampled_from(args))
    if origin is list:
        return [draw(payloads(args[0], depth + 1)) for _ in range(draw(st.integers(0, max(0, 2 - depth))))]
    if origin is dict:
        return {key: draw(payloads(args[1], depth + 1)) for key in draw(st.sets(TEXTS, max_size=2))}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {
            field.alias or name: draw(payloads(field.annotation, depth + 1))
            for name, field in kind.model_fields.items()
            if field.is_required() or (depth < 3 and draw(st.booleans()))
        }
    return draw(SCALARS[kind])


TEXTS = st.text(max_size=8)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    object: st.one_of(TEXTS, st.none(), st.dictionaries(TEXTS, st.integers(0, 9), max_size=2)),
    Any: TEXTS,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_kind_of_item_of_the_api_survives_the_journal(kind: type[BaseModel], data: Any) -> None:
    payload = data.draw(payloads(kind))
    from_client = construct_type(value=payload, type_=cast(Any, ResponseOutputItem))  # as the client parses
    for item in (from_client, kind.model_construct(**payload)):
        response = ModelResponse([item], Usage(), "resp_1", "req_1")
        again = through_json(response)
        assert type(again.output[0]) is type(item)
        assert again.to_input_items() == response.to_input_items()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_item_with_a_field_that_is_newer_than_the_client_keeps_it(kind: type[BaseModel]) -> None:
    payload = {"type": get_args(kind.model_fields["type"].annotation)[0], "id": "x", "new": {"deep": [1]}}
    item: Any = construct_type(value=payload, type_=cast(Any, ResponseOutputItem))
    (again,) = through_json(ModelResponse([item], Usage(), None)).output
    assert type(again) is type(item)
    assert again.model_dump(exclude_unset=True, warnings=False) == payload


def test_an_item_of_a_kind_that_the_client_does_not_know_survives() -> None:
    payload = {"type": "telepathy_call", "id": "t1", "thoughts": [{"of": "a bear"}], "status": "completed"}
    item: Any = construct_type(value=payload, type_=cast(Any, ResponseOutputItem))
    (again,) = through_json(ModelResponse([item], Usage(), None)).output
    assert again == item
    assert type(again) is type(item)


def test_an_answer_of_a_megabyte_survives() -> None:
    item = ResponseFunctionToolCall(type="function_call", call_id="c", name="f", arguments="ü" * 1_000_000)
    (again,) = through_json(ModelResponse([item], Usage(), None)).output
    assert again == item


class OwnItem(ResponseFunctionToolCall):
    """An item of a class of the model's own."""

    temperature: float = 0.5


def test_an_item_of_a_class_of_ones_own_comes_back_as_it() -> None:
    item = OwnItem(type="function_call", call_id="c", name="f", arguments="{}", temperature=1.5)
    (again,) = through_json(ModelResponse([item], Usage(), None)).output
    assert again == item
    assert type(again) is OwnItem


def test_an_item_that_would_not_come_back_is_refused_by_name() -> None:
    class Local(ResponseFunctionToolCall):
        """A class that no replay can import."""

    item = Local(type="function_call", call_id="c", name="f", arguments="{}")
    with pytest.raises(TypeError, match="Local"):
        MODEL_RESPONSE.to_json(ModelResponse([item], Usage(), None))


def test_the_prompt_is_not_in_the_journal_and_the_version_is() -> None:
    plain, _ = MODEL_RESPONSE.to_json(ModelResponse([], Usage(), None))
    assert set(plain) == {"version", "output", "usage", "response_id", "request_id", "raw_usage"}
    with pytest.raises(ValueError, match="version 2"):
        MODEL_RESPONSE.from_json({**plain, "version": 2}, {})


def test_errors_of_the_openai_client_come_back_as_its_own_without_secrets() -> None:
    request = httpx2.Request(
        "POST", "http://api/v1/responses?key=s3cret", headers={"authorization": "Bearer s3cret"}
    )
    headers = {"retry-after": "3", "x-request-id": "req_9", "set-cookie": "s3cret"}
    response = httpx2.Response(429, headers=headers, request=request)
    error = openai.RateLimitError(
        "slow down", response=response, body={"code": "rate_limit", "type": "requests"}
    )

    recorded = json.dumps(failure_to_json(error))
    assert "s3cret" not in recorded
    again = failure_from_json("call LLM", json.loads(recorded))
    assert isinstance(again, openai.RateLimitError)
    assert (again.status_code, again.code, again.request_id) == (429, "rate_limit", "req_9")
    assert again.response.headers["retry-after"] == "3"
    assert str(again) == str(error)

    timeout = failure_from_json(
        "call LLM", json.loads(json.dumps(failure_to_json(openai.APITimeoutError(request))))
    )
    assert isinstance(timeout, openai.APITimeoutError)
