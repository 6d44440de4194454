"""Whose turn it is: what readers of the journal are told about the steps of agents.

A step belongs to the agent whose turn it is made in, and to the tool call that it is made for. What runs
inside of a tool belongs to that call too, so the names of agents make a path, from the outermost run's agent
to the innermost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from perdure.durable.about import about, facts


def path() -> list[str]:
    """The names of the agents whose turns the calling code is in, the outermost first."""
    return cast(list[str], facts().settled.get("agent") or [])


@contextmanager
def turn_of(agent: str) -> Iterator[None]:
    """The block is a turn of the agent, in that of the agent around it if there is one."""
    with about(agent=[*path(), agent]):
        yield


@contextmanager
def for_call(call_id: str | None) -> Iterator[None]:
    """The block is what a tool call asks for; `call_id` is the model's name for the call."""
    with about(call_id=call_id):
        yield
