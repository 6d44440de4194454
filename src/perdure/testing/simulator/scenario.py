"""One history before it is played, as data: what handlers do, and what happens, in order.

A step names its event by numbers that are taken modulo what is possible when its turn comes. So any step and
any operation can be left out, and what remains is a history too: shrinking needs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

# Ranked: a handler calls only those of a higher rank, so that no two wait for each other for ever.
WORKFLOW, PLAIN, OBJECT, READER, LEAF = "Flow/run", "Plain/work", "Object/change", "Object/look", "Leaf/work"
APPROVAL = "Flow/approve"
RANK = {WORKFLOW: 0, PLAIN: 1, OBJECT: 2, READER: 2, LEAF: 3, APPROVAL: 3}
KEYS = {WORKFLOW: ("v", "w"), APPROVAL: ("v", "w"), OBJECT: ("x", "y"), READER: ("x", "y")}


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of a handler's program."""

    kind: str
    a: int = 0
    b: int = 0

    def __str__(self) -> str:
        return f"{self.kind}({self.a}, {self.b})"


Program = tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a history."""

    kind: str
    a: int = 0
    b: int = 0

    def __str__(self) -> str:
        return f"{self.kind}({self.a}, {self.b})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`always_replay`: every attempt ends at its first await."""

    programs: dict[str, Program]
    steps: tuple[Step, ...]
    always_replay: bool = False

    def __str__(self) -> str:
        lines = [f"always_replay: {self.always_replay}"]
        lines += [f"{target}: {', '.join(map(str, ops)) or '-'}" for target, ops in self.programs.items()]
        return "\n".join([*lines, "steps: " + " ".join(map(str, self.steps))])


_COMMON = {
    "run": 6,
    "await_one": 5,
    "await_first": 4,
    "await_all": 3,
    "sleep": 4,
    "call": 4,
    "send": 3,
    "awakeable": 3,
    "attach": 6,
    "cancel": 1,
    "stumble": 2,
    "fail": 1,
}
_OPS = {
    WORKFLOW: _COMMON | {"promise": 8, "peek": 1},
    PLAIN: _COMMON,
    OBJECT: _COMMON | {"increment": 9},
    READER: _COMMON | {"read": 5},
    LEAF: {"run": 4, "await_one": 4, "await_first": 2, "sleep": 3, "stumble": 1, "fail": 1},
}
_STEPS = {
    "go": 64,  # one of whatever can go on
    "both": 20,  # the same, and the next step happens in the same turn of the loop
    "invoke": 9,
    "wait": 8,
    "resolve": 4,
    "verb": 3,
    "tear": 3,
    "fuse": 3,
    "crash": 2,
    "refuse": 1,
    "leave": 1,
}
OPS_MAX = 9
STEPS_MAX = 160
NUMBER_MAX = 1 << 16


def generate(seed: int) -> Scenario:
    """The history of this seed."""
    random = Random(seed)

    def draw(kinds: dict[str, int]) -> tuple[str, int, int]:
        (kind,) = random.choices(list(kinds), list(kinds.values()))
        return kind, random.randrange(NUMBER_MAX), random.randrange(NUMBER_MAX)

    programs = {
        target: tuple(Op(*draw(kinds)) for _ in range(random.randrange(1, OPS_MAX)))
        for target, kinds in _OPS.items()
    }
    steps = (
        Step("invoke", *draw(_STEPS)[1:]),
        *(Step(*draw(_STEPS)) for _ in range(random.randrange(20, STEPS_MAX))),
    )
    return Scenario(programs, steps, always_replay=random.random() < 0.2)
