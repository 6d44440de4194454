"""The fields of a run's context object: what they hold, what changed in them, and how to change them again.

A context is whatever the user passes as `context=`: a dataclass, a Pydantic model, a dict, a list, an object.
It stays the same object, and so do the lists, dicts, sets and models inside of it: changes are made in place.
A field is named by a JSON pointer, so that a change deep inside is one short line in the journal.

Not followed: objects that are neither JSON, nor models, nor dataclasses (a database client). They belong to
the process. A `functools.cached_property` is computed again where it is asked for, so it is not kept either.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from perdure.durable import values

_SCALARS = (type(None), bool, int, float, str)


class Field(NamedTuple):
    """One field at one moment. `holds` is kept, so that its identity cannot pass to another object.

    form: equal for equal values; None for what cannot be journaled, and for what has fields of its own.
    inner: whether the fields inside of it are looked at one by one.
    """

    holds: object
    form: object
    inner: bool = False

    def is_same(self, other: Field) -> bool:
        if self.form is None and other.form is None:
            return self.holds is other.holds
        return self.inner == other.inner and self.form == other.form


Fields = dict[str, Field]
"""All fields of an object, by JSON pointer; "" is the object itself."""


def fields_of(context: object) -> Fields:
    """The fields of a context object as they are now; none for an immutable value, None or a class."""
    fields: Fields = {}
    if not isinstance(context, (*_SCALARS, type, types.ModuleType)):
        _look(context, "", fields, [], root=True)
    return fields


def _look(value: object, pointer: str, fields: Fields, above: list[object], root: bool = False) -> None:
    inner = _inner(value, root)
    if inner is None or any(value is outer for outer in above):
        fields[pointer] = Field(value, _form(value))
        return
    fields[pointer] = Field(value, None, inner=True)
    above.append(value)
    for key, item in inner.items():
        _look(item, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", fields, above)
    above.pop()


def _form(value: object) -> object:
    if type(value) in _SCALARS:
        return type(value), value
    try:
        plain = values.to_json(items(value) if is_collection(value) else value)
        return type(value), json.dumps(plain)
    except Exception:
        return ("ids", [id(item) for item in items(value)]) if is_collection(value) else None


# ---- containers


def is_collection(value: object) -> bool:
    """Whether it is changed as a whole: what is in it has no names."""
    return isinstance(value, list | set | deque | dict)


def items(collection: Any) -> list[Any]:
    """What a collection holds, in an order that equal collections share."""
    if isinstance(collection, dict):
        return list(collection.items())
    return sorted(collection, key=repr) if isinstance(collection, set) else list(collection)


def refill(collection: Any, new: list[Any]) -> None:
    """Let a collection hold `new`, and nothing else."""
    collection.clear()
    if isinstance(collection, dict | set):
        collection.update(new)
    else:
        collection.extend(new)


def _inner(value: Any, root: bool = False) -> dict[str, Any] | None:
    """The named fields in a value, if those are looked at one by one."""
    if isinstance(value, dict):
        return dict(value) if all(type(key) is str for key in value) else None
    if isinstance(value, BaseModel):
        return {**vars(value), **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    followed = (
        root
        or isinstance(value, types.SimpleNamespace)
        or dataclasses.is_dataclass(value)
        or hasattr(type(value), "__attrs_attrs__")
    )
    if not followed or is_collection(value) or isinstance(value, type):
        return None
    named = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    named.update(getattr(value, "__dict__", {}))
    return {name: item for name, item in named.items() if not _is_derived(type(value), name)}


def _slots(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slot for slot in ([slots] if isinstance(slots, str) else slots) if slot[:2] != "__")


def _is_derived(cls: type, name: str) -> bool:
    return isinstance(getattr(cls, name, None), functools.cached_property)


def at(context: object, pointer: str) -> Any:
    """What the field holds."""
    for key in _keys(pointer):
        context = (_inner(context, root=True) or {})[key]
    return context


def put(context: object, pointer: str, value: object) -> None:
    """Let the field hold `value`, past all setters and validators: the value has passed them once."""
    holder, key = _holder(context, pointer)
    if isinstance(holder, BaseModel) and key in type(holder).model_fields:
        holder.__pydantic_fields_set__.add(key)
    namespace = _namespace(holder, key)
    if namespace is None:
        object.__setattr__(holder, key, value)
    else:
        namespace[key] = value


def drop(context: object, pointer: str) -> None:
    """Remove the field, if it is there."""
    holder, key = _holder(context, pointer)
    namespace = _namespace(holder, key)
    if namespace is not None:
        namespace.pop(key, None)
    elif hasattr(holder, key):
        object.__delattr__(holder, key)


def _holder(context: object, pointer: str) -> tuple[Any, str]:
    above, _, _ = pointer.rpartition("/")
    return at(context, above), _keys(pointer)[-1]


def _namespace(holder: Any, key: str) -> dict[str, Any] | None:
    """The dict that the field is kept in; None for a slot."""
    if isinstance(holder, dict):
        return holder
    if isinstance(holder, BaseModel) and key not in type(holder).model_fields:
        private = holder.__pydantic_private__
        return private if key in type(holder).__private_attributes__ else holder.__pydantic_extra__
    return None if key in _slots(type(holder)) else vars(holder)


def _keys(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
