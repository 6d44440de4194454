"""Values of steps as JSON that comes back as what it was.

Plain JSON stays plain and readable in the journal. Pydantic models, dataclasses, enums, sets and the common
scalar types are written as JSON too, and their types are kept beside the value, by JSON pointer, never
inside it: what a step returns may come from a stranger, and a stranger's JSON must not name a class to
import.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

Json = Any  # what json.loads returns

_SCALARS = (datetime, date, time, timedelta, Decimal, UUID, bytes, PurePath)


def to_json(value: object) -> tuple[Json, dict[str, str]]:
    """A value as JSON, and the types of its parts that are not plain JSON, by JSON pointer.

    Raises TypeError, with the place inside the value, for what would not come back as it was.
    """
    types: dict[str, str] = {}
    return _plain(value, "", types), types


def from_json(value: Json, types: dict[str, str]) -> Any:
    """The inverse of `to_json`."""
    holder = {"": value}
    for pointer in sorted(types, key=lambda p: p.count("/"), reverse=True):
        parent: Any = holder
        *path, last = _keys(pointer)
        for key in path:
            parent = parent[int(key) if isinstance(parent, list) else key]
        at: Any = int(last) if isinstance(parent, list) else last
        parent[at] = _adapter(imported(types[pointer])).validate_python(parent[at])
    return holder[""]


def importable_name(cls: type) -> str:
    """`module:qualified.name` of a class; TypeError if it cannot be imported by that name."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    try:
        found = imported(name)
    except (ImportError, AttributeError):
        found = None
    if found is not cls:
        raise TypeError(f"class {cls.__qualname__} cannot be imported by its name; define it at module level")
    return name


def imported(name: str) -> Any:
    """The class that `importable_name` named."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


@functools.lru_cache(maxsize=512)
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _plain(value: object, pointer: str, types: dict[str, str]) -> Json:
    cls = type(value)
    if value is None or cls in (bool, int, str):
        return value
    if cls is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise TypeError(f"{_at(pointer)} is {value}, which JSON cannot hold")
        return value
    if cls is dict:
        return {_key(k, pointer): _plain(v, _below(pointer, k), types) for k, v in value.items()}  # type: ignore[attr-defined]
    if cls in (list, tuple):
        if cls is tuple:
            types[pointer] = "builtins:tuple"
        return [_plain(item, _below(pointer, i), types) for i, item in enumerate(value)]  # type: ignore[arg-type,var-annotated]
    if cls in (set, frozenset):
        types[pointer] = f"builtins:{cls.__name__}"
        items = sorted(value, key=repr)  # type: ignore[call-overload]
        return [_plain(item, _below(pointer, i), types) for i, item in enumerate(items)]
    if isinstance(value, (BaseModel, Enum, *_SCALARS)) or dataclasses.is_dataclass(value):
        try:
            types[pointer] = importable_name(cls)
            return _dumped(value, _adapter(cast(Any, cls)))
        except Exception as error:
            raise TypeError(f"{_at(pointer)} is a {cls.__qualname__}: {error}") from error
    raise TypeError(
        f"{_at(pointer)} is a {cls.__qualname__}, which is not JSON, a Pydantic model or a dataclass"
    )


def _dumped(value: object, adapter: TypeAdapter[Any]) -> Json:
    """A model's own JSON. Pydantic writes what the fields declare: a secret becomes asterisks, a subclass its
    base class, an excluded field nothing. Nobody may find that out from a replay.
    """
    plain = adapter.dump_python(value, mode="json", warnings=False)
    back = adapter.validate_python(plain)
    if type(back) is not type(value) or (_compares(value) and back != value):
        raise TypeError("its JSON does not bring back all that it holds")
    return plain


def _compares(value: object) -> bool:
    """Whether equality is by what the objects hold, and not by which they are."""
    return type(value).__eq__ is not object.__eq__


def _key(key: object, pointer: str) -> str:
    if type(key) is not str:
        raise TypeError(f"{_at(pointer)} has the key {key!r}; the keys of a journaled dict must be strings")
    return key


def _below(pointer: str, key: object) -> str:
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _keys(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]


def _at(pointer: str) -> str:
    return f"its part {pointer!r}" if pointer else "it"
