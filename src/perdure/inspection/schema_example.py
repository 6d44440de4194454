"""A JSON value of a schema's shape, for lines that people paste and edit."""

from __future__ import annotations

from collections.abc import Mapping


def example(schema: object, definitions: Mapping[str, object] | None = None) -> object:
    """Good enough to be edited; `{}` for what is no schema."""
    if not isinstance(schema, Mapping):
        return {}
    definitions = definitions if definitions is not None else schema.get("$defs", {})
    for given in ("default", "const"):
        if given in schema:
            return schema[given]
    for listed in ("examples", "enum"):
        if schema.get(listed):
            return schema[listed][0]
    if "$ref" in schema:
        # popped on the way down: a schema may refer to itself
        name = schema["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in definitions.items() if key != name}
        return example(definitions.get(name), rest)
    for choices in ("anyOf", "oneOf", "allOf"):
        if schema.get(choices):
            return example(schema[choices][0], definitions)
    properties = schema.get("properties", {})
    by_type: dict[str, object] = {
        "string": "...",
        "integer": 1,
        "number": 1.0,
        "boolean": True,
        "array": [],
        "null": None,
    }
    kind = schema.get("type")
    if kind in by_type:
        return by_type[kind]
    return {
        name: example(properties[name], definitions)
        for name in schema.get("required", ())
        if name in properties
    }
