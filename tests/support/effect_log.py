"""What really happened: a file to which every effect appends one line, whatever the journal says of it.

A line is one `write` to a descriptor opened for appending, so lines of several processes keep the order in
which they were written, and a SIGKILL, which does not take the page cache, loses none of them.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PATH_ENV = "EFFECT_LOG"


@dataclass(frozen=True)
class Line:
    """`event` is `ran` when the effect took place, `saw` when durable code was given its recorded result, and
    `given` beside it has the process that it was given in.
    """

    event: str
    invocation: str
    step: str
    receipt: str


def ran(invocation: str, step: str) -> str:
    """The effect itself takes place. Returns its receipt: another one each time it takes place."""
    receipt = uuid.uuid4().hex
    _append(Line("ran", invocation, step, receipt))
    return receipt


def saw(invocation: str, step: str, receipt: str) -> None:
    """Durable code was given the result of the step, so it is recorded."""
    _append(Line("saw", invocation, step, receipt))


def given(invocation: str, step: str) -> None:
    """Durable code of this process was given the result of the step; the receipt is the process's id."""
    _append(Line("given", invocation, step, str(os.getpid())))


def _append(line: Line) -> None:
    text = f"{line.event} {line.invocation} {line.step} {line.receipt}\n"
    descriptor = os.open(os.environ[PATH_ENV], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Line]:
    return [Line(*text.split(" ")) for text in path.read_text().splitlines()]


def repetitions(lines: Iterable[Line]) -> Iterator[str]:
    """What must never be: an effect after its result was recorded, a replay with another result."""
    seen: dict[tuple[str, str], str] = {}
    for line in lines:
        step = (line.invocation, line.step)
        if line.event == "ran" and step in seen:
            yield f"{line.step} of {line.invocation} ran again after its result was recorded"
        if line.event == "saw" and seen.setdefault(step, line.receipt) != line.receipt:
            yield f"{line.step} of {line.invocation} replayed with another result than it had"


def last_receipts(lines: Iterable[Line]) -> dict[tuple[str, str], str]:
    """The receipt of the last time that each (invocation, step) took place."""
    return {(line.invocation, line.step): line.receipt for line in lines if line.event == "ran"}
