"""Which line of whose code did it: the words of `NotDurable` and `Stuck`.

A user fixes such an error by wrapping one expression in `step()`, so the error names the coroutine, the
file and line in the user's own code, and the line to write there.
"""

from __future__ import annotations

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
_OURS = tuple(str(Path(__file__).resolve().parent.parent / room) for room in ("durable", "openai", "testing"))
_LIBRARIES = (
    *_OURS,
    *{str(Path(_PATHS[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
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


def refusal(what: str, stop: FunctionType, advice: str | None = None) -> NotDurable:
    """The error for something that the running code did just now; `stop` is the function that runs the
    loop.
    """
    place = _user_place(_stack(sys._getframe(1), stop.__code__))
    task = asyncio.current_task() if asyncio._get_running_loop() is not None else None
    coroutine = getattr(task.get_coro() if task else None, "__qualname__", place.function)
    who = f"coroutine {place.function!r}"
    if task is not None and coroutine != place.function:
        who += f" (in task {task.get_name()!r}, coroutine {coroutine!r})"
    return NotDurable(
        f"{who} at {place} {what} on the deterministic loop, and the journal cannot repeat that.\n"
        f"    {place.source or '(no source)'}\n"
        f"{advice or _advice(place)}"
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
        if place.file.startswith(_OURS):  # it waits for the others
            continue
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
    """The user's line with its awaited expression wrapped in step(), or the general form of it.

    By hand and not with `ast`: the collector may run us inside of another `ast.parse`, and CPython 3.11
    does not survive that.
    """
    name = place.function.rsplit(".", 1)[-1].strip("<>")
    before, found, rest = place.source.partition("await ")
    awaited = _expression(rest)
    if not found or awaited is None or "(" not in awaited:
        return f'await step("{name}", lambda: ...)'
    return f'{before}await step("{name}", lambda: {awaited}){rest[len(awaited) :]}'


def _expression(text: str) -> str | None:
    """The awaited expression that `text` begins with; None if it goes on in the next line."""
    depth = 0
    for at, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}" and depth:
            depth -= 1
        elif depth == 0 and character in ")]},: \t":
            return text[:at]
    return text if depth == 0 else None


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
    """The innermost place in the user's own code; else in a library; else anywhere."""
    places = list(places)
    theirs = (place for place in places if not place.file.startswith((*_LIBRARIES, "<frozen")))
    libraries = (place for place in places if not place.file.startswith(_OURS))
    return next(theirs, None) or next(libraries, None) or next(iter(places), Place("?", "?", 0))
