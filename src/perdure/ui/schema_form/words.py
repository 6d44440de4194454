"""What a schema says to people."""

from __future__ import annotations

from perdure.ui.schema_form.json_values import dumps
from perdure.ui.schema_form.schema import Schema, type_of


def variant_name(resolved: Schema, schema: object, number: int) -> str:
    """Of an alternative, by its title, its definition or its type."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    named = resolved.get("title") or (reference.rpartition("/")[2] if isinstance(reference, str) else None)
    return str(named or type_name(resolved) or f"alternative {number + 1}")


def type_name(part: Schema) -> str:
    """Of its values; '' where the field itself tells it."""
    if "const" in part or "enum" in part:
        return ""
    kind = type_of(part)
    return {"array": "list", None: ""}.get(kind, kind or "")


def said(part: Schema, name: str) -> str:
    """A text of the schema."""
    found = part.get(name)
    return found if isinstance(found, str) else ""


_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters at most",
    "minItems": "{} items or more",
    "maxItems": "{} items at most",
    "format": "{}",
    "pattern": "matches {}",
}


def limits(part: Schema) -> str:
    """`at least 1, at most 10`."""
    return ", ".join(words.format(part[name]) for name, words in _LIMITS.items() if name in part)


def placeholder(part: Schema) -> str:
    """An example, or what stands for a value that is left out."""
    examples = part.get("examples")
    example = examples[0] if isinstance(examples, list) and examples else part.get("default")
    return "" if example is None else example if isinstance(example, str) else dumps(example)
