"""The power is cut: whatever was in memory is gone, in the middle of whatever it was doing."""

from __future__ import annotations


class PowerCut(BaseException):
    """Not an Exception: no code under test may catch it and go on."""


class Fuse:
    """Burns through after so many of the points at which the engine could die. None: never."""

    def __init__(self) -> None:
        self.points_left: int | None = None

    def point(self) -> None:
        """Before and after each commit, and before each action. Raises PowerCut."""
        if self.points_left is None:
            return
        self.points_left -= 1
        if self.points_left < 0:
            self.points_left = None
            raise PowerCut
