"""One line of an invocation's journal, and what the time line draws beside it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from perdure.inspection.records import Step

Kind = Literal[
    "input", "output", "model", "tool", "run", "handoff", "approval", "call", "send", "sleep", "state",
    "wait", "signal", "other",
]  # fmt: skip
State = Literal["done", "failed", "retried", "open", "asks", "never"]
"""retried: failed, and tried again. asks: an approval that waits for a decision. never: it had not ended when
the invocation did.
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A span on the time line, in ms since the beginning. end_ms: None while it lasts.

    kind: `work` is what keeps the handler busy. `wait` costs nothing, the handler may be suspended meanwhile.
    `queue`: it had not begun. `group`: of all that is beneath it.
    """

    kind: Literal["work", "wait", "queue", "group"]
    start_ms: int
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line. step: None for a handoff, and for a tool call that is no step but has some beneath it.

    brief: what came of it, in the beginning of one line. asked_by: the index of the model call that asked for
    it, and call_id under which name. child_id: of the invocation that it calls.
    """

    id: str
    depth: int
    kind: Kind
    title: str
    step: Step | None = None
    note: str = ""
    brief: str = ""
    state: State = "done"
    bars: tuple[Bar, ...] = ()
    agent: str | None = None
    tokens: tuple[int, int] | None = None
    usd: float | None = None
    price_list: str | None = None
    child_id: str | None = None
    child_target: str | None = None
    asked_by: int | None = None
    call_id: str | None = None
    awakeable_id: str | None = None
    arguments: str | None = None

    @property
    def version(self) -> str:
        """Another one for a row that has changed."""
        return blake2b(repr(self).encode(), digest_size=8).hexdigest()

    @property
    def start_ms(self) -> int | None:
        return min((bar.start_ms for bar in self.bars), default=None)

    @property
    def took_ms(self) -> int | None:
        """None while it lasts, and for what takes no time."""
        ends = [bar.end_ms for bar in self.bars if bar.end_ms is not None]
        if len(ends) < len(self.bars) or not ends or self.state in ("open", "never"):
            return None
        took_ms = max(ends) - min(bar.start_ms for bar in self.bars)
        return took_ms if took_ms or self.kind in ("model", "tool", "run") else None
