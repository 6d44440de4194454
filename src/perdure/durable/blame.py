"""Which line of whose code did it: the words of `NotDurable` and `Stuck`.

A user fixes such an error by wrapping one expression in `step()`, so the error names the coroutine, the
file and line in the user's own code, and the line to write there.
"""

from __future__ import annotations

import ast
import asyncio
import linecache
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

from perdure.errors import NotDurable, Stuck

_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(
    {str(Path(_PATHS[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {str(Path(__file__).resolve().parent.parent / room) for room in ("durable", "openai", "testing")}
)
_TASKS_SHOWN_MAX = 5


class Place(NamedTuple):
    """A line of code, and the function it is in."""

    function: str
    file: str
    line: int

    @property
    def source(self) -> str:
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def refusal(what: str, stop: FunctionType) -> NotDurable:
    """The error for something that the running code did just now; `stop` is the function that runs the
    loop.
    """
    place = _user_place(_stack(sys._getframe(1), stop.__code__))
    task = asyncio.current_task()
    coroutine = getattr(task.get_coro() if task else None, "__qualname__", place.function)
    who = f"coroutine {place.function!r}"
    if task is not None and coroutine != place.function:
        who += f" (in task {task.get_name()!r}, coroutine {coroutine!r})"
    return NotDurable(
        f"{who} at {place} {what} on the deterministic loop, and the journal cannot repeat that.\n"
        f"    {place.source or '(no source)'}\n"
        f"{_advice(place)}"
    )


def foreign_await(coroutine: Any, awaited: asyncio.Future[Any]) -> NotDurable:
    """The error for a task that awaits a future of another event loop."""
    chain = _chain(coroutine)
    place = _user_place(reversed(chain))
    via = chain[-1].function if chain else "?"
    return NotDurable(
        f"coroutine {place.function!r} at {place} awaits something of another event loop (in {via!r}: "
        f"{type(awaited).__name__}), which the journal cannot repeat.\n"
        f"    {place.source or '(no source)'}\n{_advice(place)}"
    )


def stuck(tasks: Iterable[Any]) -> Stuck:
    """The error for a run in which every task waits and nothing durable is outstanding. Youngest task
    first.
    """
    lines: list[str] = []
    advice = ""
    for task in reversed(list(tasks)):
        chain = _chain(task.get_coro())
        if not chain:
            continue
        place, inner = _user_place(reversed(chain)), chain[-1]
        awaits = f"awaits {inner.function!r}" if inner != place else "awaits a future"
        lines.append(f"  coroutine {place.function!r} at {place} {awaits}: {place.source or '(no source)'}")
        advice = advice or _advice(place)
    shown = lines[:_TASKS_SHOWN_MAX]
    if len(lines) > len(shown):
        shown.append(f"  ... and {len(lines) - len(shown)} more tasks")
    return Stuck("nothing that is in the journal can wake this run any more:\n" + "\n".join([*shown, advice]))


def _advice(place: Place) -> str:
    return f"Wrap it in a step, which runs on the real event loop and is journaled:\n    {_as_step(place)}"


def _as_step(place: Place) -> str:
    """The user's line with its awaited expression wrapped in step(), or the general form of it."""
    name = place.function.rsplit(".", 1)[-1].strip("<>")
    general = f'await step("{name}", lambda: ...)'
    try:
        tree = ast.parse(place.source.removesuffix(":") if place.source.startswith("await") else place.source)
    except SyntaxError:
        return general
    awaits = [node for node in ast.walk(tree) if isinstance(node, ast.Await)]
    if len(tree.body) != 1 or not awaits or isinstance(awaits[0].value, ast.Name):
        return general
    awaits[0].value = ast.Call(
        func=ast.Name("step"),
        args=[ast.Constant(name), ast.Lambda(args=_NO_ARGUMENTS, body=awaits[0].value)],
        keywords=[],
    )
    return ast.unparse(ast.fix_missing_locations(tree))


_NO_ARGUMENTS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def _stack(frame: FrameType | None, stop: CodeType) -> Iterator[Place]:
    while frame is not None and frame.f_code is not stop:
        yield Place(frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back


def _chain(awaitable: Any) -> list[Place]:
    """The places at which a suspended coroutine waits, outermost first."""
    places: list[Place] = []
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        if frame is None:
            break
        places.append(Place(frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno))
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)
    return places


def _user_place(places: Iterable[Place]) -> Place:
    """The innermost place that is neither in a library nor in Perdure; the innermost one if there is none."""
    first: Place | None = None
    for place in places:
        if not place.file.startswith((*_LIBRARIES, "<frozen")):
            return place
        first = first or place
    return first or Place("?", "?", 0)
