"""What a model answered comes back from the journal as it was, and errors as the SDK's own."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from agents import ModelResponse, Usage
from agents.usage import RequestUsage
from openai.types.responses import (
    ResponseCodeInterpreterToolCall,
    ResponseComputerToolCall,
    ResponseFileSearchToolCall,
    ResponseFunctionToolCall,
    ResponseFunctionWebSearch,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
)
from openai.types.responses.response_computer_tool_call import ActionClick
from openai.types.responses.response_function_web_search import ActionSearch
from openai.types.responses.response_reasoning_item import Summary

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

    plain, types = MODEL_RESPONSE.to_json(response)
    again = MODEL_RESPONSE.from_json(*json.loads(json.dumps([plain, types])))

    assert again == response
    assert type(again.output[0]) is type(item)
    assert again.output[0].model_dump(exclude_unset=True) == item.model_dump(
        exclude_unset=True, warnings=False
    )
    assert again.to_input_items() == response.to_input_items()


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
