"""What a manifest offers, as a person types it: targets, and a curl line that calls one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from perdure.protocol.discovery import HandlerManifest, Manifest, ServiceManifest


def target_names(manifest: Manifest) -> list[str]:
    """Every handler as `Service/handler`."""
    return [f"{service.name}/{handler.name}" for service, handler in _handlers(manifest)]


def curl_line(manifest: Manifest, ingress_url: str) -> str | None:
    """A line to paste that calls the first handler, with an input of the right shape."""
    for service, handler in _handlers(manifest):
        key = "" if service.kind == "SERVICE" else "/my-key"
        line = f"curl {ingress_url.removeprefix('http://')}/{service.name}{key}/{handler.name}"
        if handler.input_content_type is None:
            return f"{line} -X POST"
        return f"{line} --json {shlex.quote(json.dumps(_example(handler.input_schema)))}"
    return None


def _handlers(manifest: Manifest) -> Iterator[tuple[ServiceManifest, HandlerManifest]]:
    for service in manifest.services.values():
        for handler in service.handlers.values():
            yield service, handler


def _example(schema: object, definitions: Mapping[str, object] | None = None) -> object:
    """A value of the schema's shape, good enough to be edited on the command line."""
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
        return _example(definitions.get(name), rest)
    for choices in ("anyOf", "oneOf", "allOf"):
        if schema.get(choices):
            return _example(schema[choices][0], definitions)
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
        name: _example(properties[name], definitions)
        for name in schema.get("required", ())
        if name in properties
    }
