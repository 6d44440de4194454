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
    plain = item.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
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
    """A failed model call: what an error of the OpenAI client, or one derived from it (as LiteLLM's are),
    needs to be rebuilt.
    """

    url: str
    method: str
    body: values.Json
    attributes: dict[str, values.Json]


# What their constructors set, or `ModelFailure` holds by another name.
_REBUILT = frozenset({"message", "request", "response", "body", "headers", "response_headers"})
_LOST = object()


def failure_to_json(error: BaseException) -> failures.Failure:
    """An error of a model call. Requests, which hold the API key, are not journaled."""
    failure = failures.to_json(error)
    request: Any = getattr(error, "request", None)
    if not isinstance(error, openai.APIError) or request is None:
        return failure
    facts = ModelFailure(
        url=str(request.url.copy_with(query=None, username=None, password=None)),
        method=request.method,
        body=_plain_or(None, error.body),
        attributes={
            name: plain
            for name, value in vars(error).items()
            if name not in _REBUILT and (plain := _plain_or(_LOST, value)) is not _LOST
        },
    )
    facts.update(failure)  # type: ignore[typeddict-item]
    facts["message"] = error.message
    return facts


def failure_from_json(step: str, failure: failures.Failure) -> BaseException:
    """The error of the OpenAI client, with a response that has no content but the same status and headers."""
    if "url" not in failure:
        return failures.from_json(step, failure)
    try:
        return _client_error(cast(ModelFailure, failure))
    except Exception:  # the class is not what it was
        return failures.from_json(step, failure)


def _client_error(recorded: ModelFailure) -> Exception:
    cls = values.imported(recorded["type"])
    error: Any = cls.__new__(cls)
    message, body = recorded["message"], recorded["body"]
    request = httpx2.Request(recorded["method"], recorded["url"])
    if issubclass(cls, openai.APIStatusError | openai.APIResponseValidationError):
        headers = recorded.get("headers")
        response = httpx2.Response(recorded["status"], headers=headers, request=request)
        if issubclass(cls, openai.APIStatusError):
            openai.APIStatusError.__init__(error, message, response=response, body=body)
        else:
            openai.APIResponseValidationError.__init__(error, response, body, message=message)
    else:
        openai.APIError.__init__(error, message, request, body=body)
    vars(error).update(recorded["attributes"])
    str(error)  # classes of others may need more for it than the journal holds
    return cast(Exception, error)


def _plain_or(other: object, value: object) -> values.Json:
    """The value if it is plain JSON, else `other`."""
    try:
        plain, types = values.to_json(value)
    except TypeError:
        return other
    return other if types else plain


MODEL_RESPONSE: Codec[ModelResponse] = Codec(
    response_to_json, response_from_json, failure_to_json, failure_from_json
)
