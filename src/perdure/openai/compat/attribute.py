"""A field of a tool that the SDK's runner reads to reach the outside world.

The runner does not call a function that we could replace: it reads `tool.executor`, and calls what it finds.
So we replace the field by a descriptor. The tool stays the same object and holds what the user gave it; only
who reads the field on a deterministic loop finds our function, which calls it in a step.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from perdure.durable import on_deterministic_loop
from perdure.openai.compat.point import Point

Read = Callable[[Any, Any], Any]
"""Tells what is found in the field on the loop, given the tool and what the user put there."""


class Attribute(Point):
    """A dataclass field of the SDK by the name under which its runner reads it."""

    def find(self) -> tuple[Any, Any]:
        """The class, and what it has under the name: a default, or our descriptor.

        Raises IncompatibleSDK if it has no such field.
        """
        module, _, cls = self.module.partition(":")
        try:
            holder = getattr(importlib.import_module(module), cls)
            names = [field.name for field in dataclasses.fields(holder)]
        except (ImportError, AttributeError, TypeError) as error:
            raise self._incompatible(f"is missing ({error})") from error
        if self.name not in names:
            raise self._incompatible("is no field any more")
        return holder, vars(holder).get(self.name)

    def replace(self, read: Read) -> None:
        """Put the descriptor in place. Once in a process."""
        holder, there = self.find()
        if not isinstance(there, _OnLoop):
            setattr(holder, self.name, _OnLoop(self.name, there, read))


class _OnLoop:
    def __init__(self, name: str, default: Any, read: Read) -> None:
        self._name, self._default, self._read = name, default, read

    def __get__(self, tool: Any, owner: type) -> Any:
        if tool is None:
            return self._default
        try:
            given = vars(tool)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None
        return self._read(tool, given) if on_deterministic_loop() else given

    def __set__(self, tool: Any, value: Any) -> None:
        # A copy of the tool that is made on the loop reads our function, and must keep the user's.
        vars(tool)[self._name] = getattr(value, "__perdure_given__", value)
