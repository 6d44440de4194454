"""Reading a JSON schema (draft 2020-12): what stands behind its references, what a value begins with, and
what is wrong with one.

Nothing here raises for a schema that makes no sense: such a part of it is `{}`, which takes anything. And
nothing is fetched: a reference to another document is one that means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

Schema = Mapping[str, Any]
ANYTHING: Final[Schema] = {}

_REFERENCES_MAX = 32
_INITIAL_DEPTH_MAX = 8


class Missing:
    """No value at all, where null would be one."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Problem:
    """pointer: the place in the value, as a JSON pointer."""

    pointer: str
    message: str


class JsonSchema:
    """A schema with its definitions. `root` is what came: anything, if it came from strangers."""

    def __init__(self, root: object) -> None:
        self.root: Schema = root if isinstance(root, Mapping) else ANYTHING
        try:
            Draft202012Validator.check_schema(self.root)
            validated = self.root
        except (SchemaError, RecursionError):
            validated = ANYTHING
        resource = DRAFT202012.create_resource(validated)
        self._resolver = Registry().with_resource("", resource).resolver()
        # A registry of its own retrieves nothing; the default one asks the network.
        self._validator = Draft202012Validator(validated, registry=Registry())

    def resolved(self, schema: object) -> Schema:
        """The schema without `$ref` and `allOf` at its top; what stands beside a reference wins."""
        return self._resolved(schema, _REFERENCES_MAX)

    def _resolved(self, schema: object, left: int) -> Schema:
        if not isinstance(schema, Mapping) or not left:
            return ANYTHING
        reference, parts = schema.get("$ref"), schema.get("allOf")
        if reference is None and parts is None:
            return schema
        merged: dict[str, Any] = {}
        behind = [] if reference is None else [self._lookup(reference)]
        for part in [*behind, *(parts if isinstance(parts, list) else [])]:
            merged = _both(merged, self._resolved(part, left - 1))
        return _both(merged, {name: value for name, value in schema.items() if name not in ("$ref", "allOf")})

    def _lookup(self, reference: object) -> object:
        try:
            return self._resolver.lookup(str(reference)).contents
        except (Unresolvable, ValueError):
            return ANYTHING

    def fits(self, schema: object, value: object) -> bool:
        """Whether a value is valid, by a part of this schema."""
        part = schema if isinstance(schema, Mapping | bool) else ANYTHING
        try:
            return bool(self._validator.evolve(schema=part).is_valid(value))
        except (Unresolvable, RecursionError):
            return True

    def problems(self, value: object, chosen: Mapping[str, int] | None = None) -> list[Problem]:
        """What is wrong with a value.

        chosen: by pointer the alternative of an `anyOf` or `oneOf` whose problems count.
        """
        try:
            errors = list(self._validator.iter_errors(value))
        except (Unresolvable, RecursionError):  # the engine and the handler will say
            return []
        found = [problem for error in errors for problem in self._problems(error, chosen or {})]
        return list(dict.fromkeys(found))

    def _problems(self, error: ValidationError, chosen: Mapping[str, int]) -> Iterator[Problem]:
        pointer = ""
        for step in error.absolute_path:
            pointer = pointer_to(pointer, step)
        told: Any = error.validator_value
        if error.validator == "required" and isinstance(error.instance, Mapping):
            for name in told:
                if name not in error.instance:
                    yield Problem(pointer_to(pointer, name), "a value is required")
        elif error.validator in ("anyOf", "oneOf") and error.context:
            meant = chosen.get(pointer, self.closest(told, error.instance))
            of_meant = [each for each in error.context if each.schema_path[0] == meant]
            for each in of_meant:
                yield from self._problems(each, chosen)
            if not of_meant:
                yield Problem(pointer, "matches none of the alternatives")
        else:
            yield Problem(pointer, _cut(error.message))

    def closest(self, variants: list[Any], value: object) -> int:
        """The alternative that a value is, or was meant to be: by its constant members, or by its type."""
        if value is MISSING:
            return first_choice(variants)
        resolved = [self.resolved(each) for each in variants]
        fitting = (at for at, each in enumerate(variants) if self.fits(each, value))
        alike = (at for at, each in enumerate(resolved) if self._has_constants_of(each, value))
        of_type = (at for at, each in enumerate(resolved) if self.fits({"type": type_of(each) or []}, value))
        return next(fitting, next(alike, next(of_type, first_choice(variants))))

    def _has_constants_of(self, part: Schema, value: object) -> bool:
        if not isinstance(value, Mapping):
            return False
        members = {name: self.resolved(each) for name, each in properties_of(part).items()}
        constants = {name: each["const"] for name, each in members.items() if "const" in each}
        return bool(constants) and all(value.get(name) == each for name, each in constants.items())

    def initial(self, schema: object, depth: int = _INITIAL_DEPTH_MAX) -> object:
        """What a form begins with: defaults and what is required; MISSING where a person has to say."""
        part = self.resolved(schema)
        for known in ("default", "const"):
            if part.get(known) is not None:
                return part[known]
        if isinstance(examples := part.get("examples"), list) and examples and part.get("type") == "object":
            return examples[0]
        if (variants := alternatives(part)) is not None:
            return self.initial(variants[first_choice(variants)], depth - 1) if depth else MISSING
        match type_of(part):
            case "object" if depth:
                return self._initial_object(part, depth)
            case "array":
                items = part.get("prefixItems")
                fixed = items if isinstance(items, list) else []
                values = [self.initial(item, depth - 1) for item in fixed] if depth else []
                return [None if value is MISSING else value for value in values]
            case "string" if "enum" not in part:
                return ""
            case "boolean":
                return False
        return MISSING

    def _initial_object(self, part: Schema, depth: int) -> dict[str, object]:
        required = required_of(part)
        begun: dict[str, object] = {}
        for name, each in properties_of(part).items():
            if name in required or self.resolved(each).get("default") is not None:
                value = self.initial(each, depth - 1)
                if value is not MISSING:
                    begun[name] = value
        return begun


def json_schema(root: object) -> JsonSchema:
    """The same, made once: to check that a schema is one takes 10 ms."""
    return _made(json.dumps(root))


@lru_cache(maxsize=256)
def _made(text: str) -> JsonSchema:
    return JsonSchema(json.loads(text))


def alternatives(schema: Schema) -> list[Any] | None:
    """What an `anyOf`, a `oneOf` or a list of types offers; None where there is nothing to choose."""
    for name in ("anyOf", "oneOf"):
        if isinstance(offered := schema.get(name), list) and offered:
            return offered
    if isinstance(types := schema.get("type"), list) and types:
        rest = {name: value for name, value in schema.items() if name not in ("type", "title", "default")}
        return [{**rest, "type": each} for each in types]
    return None


def first_choice(variants: list[Any]) -> int:
    """The alternative that a form begins with: not null, if there is another."""
    return next((at for at, each in enumerate(variants) if not is_null(each)), 0)


def is_null(schema: object) -> bool:
    return isinstance(schema, Mapping) and (schema.get("type") == "null" or schema.get("const", 0) is None)


def type_of(schema: Schema) -> str | None:
    """The one type, said or implied by what else is said."""
    if isinstance(said := schema.get("type"), str):
        return said
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else None


def properties_of(schema: Schema) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def required_of(schema: Schema) -> set[str]:
    found = schema.get("required")
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


def pointer_to(parent: str, step: str | int) -> str:
    """The JSON pointer of a member or an item."""
    return f"{parent}/{str(step).replace('~', '~0').replace('/', '~1')}"


def _both(first: Schema, second: Schema) -> dict[str, Any]:
    """A value that keeps to both, as far as a form has to know: the second is nearer, and wins."""
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**properties_of(first), **properties_of(second)}
    if "required" in first and "required" in second:
        merged["required"] = sorted(required_of(first) | required_of(second))
    return merged


def _cut(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:300]}…"
