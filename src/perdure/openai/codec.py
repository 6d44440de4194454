"""Versioned JSON of the Agents SDK's types, and of the OpenAI client's errors.

Only the answer of a model is journaled, never the prompt: a prompt holds all earlier answers, and a journal
of prompts would grow with the square of the turns.
"""

from __future__ import annotations

from typing import Any, cast

import httpx2
import openai
from agents import ModelResponse, Usage
from openai.types.responses import ResponseOutputItem
from pydantic import BaseModel, TypeAdapter

from perdure.durable import failures, values
from perdure.durable.step import Codec

_VERSION = 1
_ITEM: TypeAdapter[Any] = TypeAdapter(ResponseOutputItem)
_USAGE = TypeAdapter(Usage)
# Of the headers of a failed response, those that say what to do about it. The others may hold secrets.
_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "content-type")


def response_to_json(response: ModelResponse) -> tuple[values.Json, dict[str, str]]:
    """A model's answer. Raises TypeError for an item that would not come back as it was."""
    types: dict[str, str] = {}
    return {
        "version": _VERSION,
        "output": [_item_to_json(item, str(at), types) for at, item in enumerate(response.output)],
        "usage": _USAGE.dump_python(response.usage, mode="json"),
        "response_id": response.response_id,
        "request_id": response.request_id,
        "raw_usage": response.raw_usage,
    }, types


def response_from_json(plain: values.Json, types: dict[str, str]) -> ModelResponse:
    """The inverse. Raises ValueError for an entry that a newer Perdure wrote."""
    if plain["version"] > _VERSION:
        raise ValueError(f"a model's answer of version {plain['version']}; this Perdure knows {_VERSION}")
    return ModelResponse(
        output=[_item_from_json(item, types.get(str(at))) for at, item in enumerate(plain["output"])],
        usage=_USAGE.validate_python(plain["usage"]),
        response_id=plain["response_id"],
        request_id=plain["request_id"],
        raw_usage=plain["raw_usage"],
    )


def _item_to_json(item: Any, at: str, types: dict[str, str]) -> values.Json:
    """The item as the API would send it; its class beside it only where the API's own union would not find
    it.
    """
    if not isinstance(item, BaseModel):
        plain, inner = values.to_json(item)
        if inner:
            raise TypeError(f"output item {at} is a {type(item).__qualname__}")
        types[at] = ""
        return plain
    plain = item.model_dump(mode="json", exclude_unset=True, warnings=False)
    for class_name in (None, values.importable_name(type(item))):
        try:
            same = _item_from_json(plain, class_name) == item
        except Exception:
            same = False
        if same:
            if class_name is not None:
                types[at] = class_name
            return plain
    raise TypeError(f"output item {at}, a {type(item).__qualname__}, does not survive JSON")


def _item_from_json(plain: values.Json, class_name: str | None) -> Any:
    if class_name is None:
        return _ITEM.validate_python(plain)
    if class_name == "":
        return plain
    # As the client does it: without validation, for models that do not keep to the letter of the schema.
    return values.imported(class_name).construct(**plain)


# ---- errors


class ModelFailure(failures.Failure, total=False):
    """A failed model call: what an error of the OpenAI client needs to be rebuilt."""

    url: str
    method: str
    status: int
    headers: dict[str, str]
    body: values.Json


def failure_to_json(error: BaseException) -> failures.Failure:
    """An error of a model call. Requests, which hold the API key, are not journaled."""
    if not isinstance(error, openai.APIStatusError | openai.APIConnectionError):
        return failures.to_json(error)
    cls = type(error)
    failure = ModelFailure(
        type=f"{cls.__module__}:{cls.__qualname__}",
        message=error.message,
        url=str(error.request.url.copy_with(query=None)),
        method=error.request.method,
    )
    if isinstance(error, openai.APIStatusError):
        failure["status"] = error.status_code
        failure["headers"] = {k: v for k in _HEADERS if (v := error.response.headers.get(k)) is not None}
        try:
            failure["body"] = values.to_json(error.body)[0]
        except TypeError:
            failure["body"] = None
    return failure


def failure_from_json(step: str, failure: failures.Failure) -> Exception:
    """The error of the OpenAI client, with a response that has no content but the same status and headers."""
    if "url" not in failure:
        return failures.from_json(step, failure)
    recorded = cast(ModelFailure, failure)
    cls = values.imported(recorded["type"])
    request = httpx2.Request(recorded["method"], recorded["url"])
    if "status" in recorded:
        response = httpx2.Response(recorded["status"], headers=recorded["headers"], request=request)
        error = cls.__new__(cls)
        openai.APIStatusError.__init__(error, recorded["message"], response=response, body=recorded["body"])
        return cast(Exception, error)
    error = cls.__new__(cls)
    openai.APIConnectionError.__init__(error, message=recorded["message"], request=request)
    return cast(Exception, error)


MODEL_RESPONSE: Codec[ModelResponse] = Codec(
    response_to_json, response_from_json, failure_to_json, failure_from_json
)
