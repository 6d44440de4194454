"""Whether a tool runs agents, read off its code: what runs agents has steps of its own, and is none.

Nothing is called, and only names are looked at that are bound before anything runs, so the answer is the same
on every replay. Functions that a tool calls are not followed for it: one of them may run an agent in a branch
that the tool never takes, and the tool's own I/O would be refused for that. They are followed for who asks
without running anything, where it is a hint and changes nothing.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from agents import Runner

from perdure.durable.step import is_async

RUNNERS: list[type] = [Runner]
"""Who runs agents. Ours joins it where it is defined."""

_FOLLOWED = (types.FunctionType, types.MethodType, functools.partial)
_FOLLOWED_MAX = 200


def runs_agents(function: Callable[..., object]) -> bool:
    """Whether an async function names a runner of agents."""
    return is_async(function) and names_runner(function)


def names_runner(function: Callable[..., object]) -> bool:
    """Whether a runner is named in the function's own code, that of functions defined in it included."""
    return any(thing is runner for thing in _named(_written(function)) for runner in RUNNERS)


def runs_agents_through(function: Callable[..., object]) -> str | None:
    """The first function that names a runner, of those that the given one names, and that those name."""
    waiting = [_written(function)]
    seen: set[object] = set()
    while waiting and len(seen) < _FOLLOWED_MAX:
        current = waiting.pop(0)
        for thing in _named(current):
            found = _written(thing) if isinstance(thing, _FOLLOWED) else None
            if (
                found is None
                or found in seen
                or (found.__module__ or "").partition(".")[0] in ("agents", "perdure")
            ):
                continue
            if names_runner(found):
                return f"{found.__qualname__}()"
            seen.add(found)
            waiting.append(found)
    return None


def _written(function: Any) -> types.FunctionType | None:
    """The function with the code, behind partials, methods, callable objects and decorators that say so."""
    while not isinstance(function, types.FunctionType) or hasattr(function, "__wrapped__"):
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            try:
                function = inspect.unwrap(function)
            except ValueError:  # a cycle, or an object that has every attribute it is asked for
                return None
        elif callable(function) and isinstance(call := type(function).__call__, types.FunctionType):
            function = call
        else:
            return None
    return function


def _named(function: types.FunctionType | None) -> Iterator[Any]:
    """What the names in a function's code stand for: globals, variables of functions around it, and
    attributes of modules among them.
    """
    if function is None:
        return
    # In the order of the code, so that who asks is told the same each time.
    names = dict.fromkeys(name for code in _codes(function.__code__) for name in code.co_names)
    things = [function.__globals__[name] for name in names if name in function.__globals__]
    things += [cell.cell_contents for cell in function.__closure__ or () if _is_set(cell)]
    yield from things
    modules = [thing for thing in things if inspect.ismodule(thing)]
    homes = _homes()
    modules += [sys.modules[name] for name in names if name in homes]  # imported in the function
    for module in modules:
        yield from (_attribute(module, name) for name in names)


def _attribute(module: types.ModuleType, name: str) -> object:
    try:
        return getattr(module, name, None)
    except Exception:  # a module may import what it is asked for, and that may be missing
        return None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _is_set(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _homes() -> set[str]:
    """The modules and packages that the runners are imported from. They are loaded for sure, others may be so
    only after a first attempt.
    """
    homes = {runner.__module__ for runner in RUNNERS}
    return {".".join(home.split(".")[: n + 1]) for home in homes for n in range(home.count(".") + 1)}
