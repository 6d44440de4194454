"""A command that cannot be carried out: the attempt fails, and nothing of the command is journaled."""

from __future__ import annotations


class CommandRejected(Exception):
    """`code` is an HTTP status. The retry policy decides what follows, as for any failed attempt."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
