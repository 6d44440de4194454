"""Does a value match the JSON schema (draft 2020-12) that a handler's manifest gives?

Schemas come from deployments, and nothing is fetched for one: jsonschema's default registry asks the network
for a reference to another document, so whoever registers a deployment could have the engine send requests.
What such a schema says cannot be checked here, and is left to the handler.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from perdure.protocol.discovery import JsonSchema

Json = Any
"""What `json.loads` gives."""


def mismatch(schema: JsonSchema, value: Json) -> ValidationError | None:
    """What is wrong with the value; None if it matches."""
    try:
        _validator(json.dumps(schema)).validate(value)
    except ValidationError as error:
        return error
    except Unresolvable:
        return None
    return None


@lru_cache(maxsize=1024)
def _validator(schema_json: str) -> Validator:
    return Draft202012Validator(json.loads(schema_json), registry=Registry())
