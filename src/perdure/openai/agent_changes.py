"""What a hook or a plain tool adds to an agent is not there in another process, and that is not silent.

An agent belongs to the process. A step that gives it another tool runs once: an attempt that resumes the run
in another process, or makes its agent anew, reads the step's entry, and has the agent as it was made. So the
entry says what was added. A warning tells it when it happens, and an attempt that lacks it may replay what is
journaled, and makes no further model call: the model would see another agent.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from agents import Agent

from perdure.durable import DurableContext, current
from perdure.durable.context import StepScope
from perdure.durable.step import Watch
from perdure.durable.values import Json

_logger = logging.getLogger(__name__)

_told: set[tuple[str, str]] = set()
_TOLD_MAX = 1_000  # steps may have made-up names

_ADVICE = (
    "Add them where the agent is made, or in the handler before the run; for tools that come and go there is "
    "is_enabled, which may read the run's context"
)

Names = dict[str, set[str]]
"""Of tools, handoffs and MCP servers."""

_in_turn: contextvars.ContextVar[Agent[Any] | None] = contextvars.ContextVar("perdure_in_turn", default=None)
# What the agents of an attempt lack, by their ids. The agents are held, so that no other gets the id of one.
_lost: WeakKeyDictionary[DurableContext, dict[int, tuple[Agent[Any], Names]]] = WeakKeyDictionary()


@contextmanager
def in_turn(agent: Agent[Any]) -> Iterator[None]:
    """The block is a turn of the agent."""
    token = _in_turn.set(agent)
    try:
        yield
    finally:
        _in_turn.reset(token)


def lacking(context: DurableContext) -> str | None:
    """Why the agent whose turn it is must not call its model now; None if it may."""
    agent = _in_turn.get()
    _, lost = _lost.get(context, {}).get(id(agent), (agent, {}))
    if agent is None or not (missing := _less(lost, _names(agent))):
        return None
    return (
        f"agent {agent.name!r} had more in an earlier attempt of this run: {_listed(missing)}. A hook or a "
        "tool had added them, in a process that is gone or to an agent that the handler has made anew, and "
        f"what one adds to an agent is not journaled. {_ADVICE}"
    )


class AgentWatch:
    """The names that one try of a step adds to an agent or takes away, beside what `inner` watches."""

    def __init__(self, agent: Agent[Any], inner: Watch | None) -> None:
        self._agent, self._inner = agent, inner
        self._before = _names(agent)

    def changes(self, scope: StepScope) -> Json | None:
        changes = self._inner.changes(scope) if self._inner is not None else None
        now = _names(self._agent)
        added, removed = _less(now, self._before), _less(self._before, now)
        if added:
            self._warn(scope.name, added)
        parts = {"added": _plain(added), "removed": _plain(removed)}
        of_agent = {part: names for part, names in parts.items() if names}
        return {**(changes or {}), "agent": of_agent} if of_agent else changes

    def redo(self, changes: Json | None) -> None:
        """Note what the agent lacks here."""
        changes = dict(changes or {})
        of_agent, context = changes.pop("agent", None), current()
        if self._inner is not None:
            self._inner.redo(changes or None)
        if of_agent is None or context is None:
            return
        of_attempt = _lost.setdefault(context, {})
        _, lost = of_attempt.get(id(self._agent), (self._agent, {}))
        lost = _less(lost, _sets(of_agent.get("removed", {})))
        for part, names in _less(_sets(of_agent.get("added", {})), _names(self._agent)).items():
            lost.setdefault(part, set()).update(names)
        of_attempt[id(self._agent)] = (self._agent, lost)

    def end(self) -> None:
        if self._inner is not None:
            self._inner.end()

    def _warn(self, step: str, added: Names) -> None:
        place = (step, self._agent.name)
        if place not in _told and len(_told) < _TOLD_MAX:
            _told.add(place)
            _logger.warning(
                f"the step {step!r} added to agent {self._agent.name!r}: {_listed(added)}. An attempt in "
                "another process, or one that makes the agent anew, does not have them, and ends the run "
                f"with an error. {_ADVICE}"
            )


def _names(agent: Agent[Any]) -> Names:
    others = [other.name if isinstance(other, Agent) else other.agent_name for other in agent.handoffs]
    return {
        "tools": {tool.name for tool in agent.tools},
        "handoffs": set(others),
        "mcp_servers": {server.name for server in agent.mcp_servers},
    }


def _less(these: Names, those: Names) -> Names:
    """The names in `these` that are not in `those`; parts without any are left out."""
    left = {part: names - those.get(part, set()) for part, names in these.items()}
    return {part: names for part, names in left.items() if names}


def _plain(names: Names) -> dict[str, list[str]]:
    return {part: sorted(found) for part, found in names.items()}


def _sets(plain: dict[str, list[str]]) -> Names:
    return {part: set(found) for part, found in plain.items()}


def _listed(names: Names) -> str:
    return ", ".join(f"{part} {', '.join(map(repr, found))}" for part, found in _plain(names).items())
