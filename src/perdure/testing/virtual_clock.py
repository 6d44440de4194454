"""A clock that runs as the real one does, and can be set ahead."""

from __future__ import annotations

from perdure.engine.runtime.engine import wall_clock_ms


class VirtualClock:
    """Call it for the time: milliseconds since the epoch. It never goes back.

    It was rejected to let it stand still between jumps: code that really runs really takes time, and the
    SDK reads the machine's clock when it asks for a sleep.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0
        """How far it is ahead of the machine's clock."""

    def __call__(self) -> int:
        return wall_clock_ms() + self.ahead_ms

    def jump_to(self, at_ms: int) -> None:
        """Set it to `at_ms`, if that is later than now."""
        self.ahead_ms += max(0, at_ms - self())
