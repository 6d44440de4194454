"""What a step changes in the run's context object is part of its entry, and is changed again on replay.

A plain tool runs once; on replay only its entry is read. Without the changes in it, everything that the tool
left in `wrapper.context` would be lost.

The fields are looked at when the step is issued, and again when its closure has ended. What is different then
goes into the entry, whether the closure succeeded or not. Steps in parallel share the object, as without
Perdure: the one that ends last says what a field holds, and each end tells the steps still running what is
recorded already. On replay a field that code outside of steps has changed since the step was issued is left
as it is: that code runs again, and changes it again.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import restate
from agents import Agent, RunContextWrapper

from perdure.durable import ONCE, RetryPolicy, current, values
from perdure.durable.context import StepScope
from perdure.durable.step import Action, Claim, Codec, Watch, misplaced, tries
from perdure.openai import context_fields
from perdure.openai.agent_changes import AgentWatch

T = TypeVar("T")


async def step_in_context(
    name: str,
    run_context: RunContextWrapper[Any] | None,
    action: Action[T],
    *,
    retry: RetryPolicy = ONCE,
    codec: Codec[T] | None = None,
    key: str | None = None,
    claim: Callable[[], Awaitable[Claim]] | None = None,
    agent: object = None,
) -> T:
    """A step whose action may change `run_context.context`; on replay the changes are made again.

    key, claim: see `tries`. agent: the one that the action is given, if any; see agent_changes.py.

    Raises what `step` raises. NotDurable if the action put something into a field of the context that the
    journal cannot hold.
    """
    context = current()
    if context is None:
        raise misplaced(name)
    watched = None if run_context is None else run_context.context
    follows = watched is not None and not isinstance(watched, restate.Context)

    def watch() -> Watch | None:
        inner = ContextWatch(watched) if follows else None
        return AgentWatch(agent, inner) if isinstance(agent, Agent) else inner

    return await tries(context, name, action, (), retry, codec or Codec(), watch=watch, key=key, claim=claim)


_open: weakref.WeakSet[ContextWatch] = weakref.WeakSet()


class ContextWatch:
    """The changes that one try of a step makes in a context object. Starts when it is made."""

    def __init__(self, context: object) -> None:
        self._context = context
        self._before = context_fields.fields_of(context)
        _open.add(self)

    def changes(self, scope: StepScope) -> dict[str, Any] | None:
        """What is different now, as JSON; None if nothing is. Ends the watch."""
        now = context_fields.fields_of(self._context)
        different = {p: None for p, f in now.items() if not f.is_same(self._before.get(p, _NOTHING))}
        different.update({p: None for p in self._before if p not in now})
        outermost = [p for p in different if not any(outer in different for outer in _above(p))]
        self._tell_others(now, outermost)
        return self._to_json(now, outermost, scope) if outermost else None

    def redo(self, changes: dict[str, Any] | None) -> None:
        """Make recorded changes, on replay. Ends the watch."""
        if changes is None:
            _open.discard(self)
            return
        now = context_fields.fields_of(self._context)
        new = values.from_json(changes.get("set", {}), changes.get("types", {}))
        refilled = changes.get("refill", ())
        mine = [p for p in [*new, *changes.get("delete", ())] if self._is_untouched(p, now)]
        for pointer in mine:
            if pointer not in new:
                context_fields.drop(self._context, pointer)
            elif pointer in refilled:
                context_fields.refill(context_fields.at(self._context, pointer), new[pointer])
            else:
                context_fields.put(self._context, pointer, new[pointer])
        self._tell_others(context_fields.fields_of(self._context), mine)

    def end(self) -> None:
        """End the watch; nobody asks for its changes any more."""
        _open.discard(self)

    def _is_untouched(self, pointer: str, now: context_fields.Fields) -> bool:
        """Whether nobody but recorded steps changed the field since the watch began."""
        if pointer in now and pointer in self._before:
            return now[pointer].is_same(self._before[pointer])
        return (pointer in now) == (pointer in self._before) and all(
            outer in now for outer in _above(pointer)
        )

    def _tell_others(self, now: context_fields.Fields, changed: list[str]) -> None:
        """From here on these changes are recorded, so no other watch shall take them for its own."""
        _open.discard(self)
        for watch in [watch for watch in _open if watch._context is self._context]:
            for pointer in changed:
                inside = partial(_is_inside, pointer)
                for old in list(filter(inside, watch._before)):
                    del watch._before[old]
                watch._before.update({p: now[p] for p in filter(inside, now)})

    def _to_json(
        self, now: context_fields.Fields, changed: list[str], scope: StepScope
    ) -> dict[str, Any] | None:
        new: dict[str, Any] = {}
        refilled = []
        for pointer in (pointer for pointer in changed if pointer in now):
            value = now[pointer].holds
            if context_fields.is_collection(value) and self._before.get(pointer, _NOTHING).holds is value:
                refilled.append(pointer)
                value = context_fields.items(value)
            try:
                values.to_json(value)
            except Exception as error:  # also of a model that cannot be written, and of a cycle
                self._refuse(pointer, error, scope)
                return None
            new[pointer] = value
        plain, types = values.to_json(new)
        deleted = [pointer for pointer in changed if pointer not in now]
        changes = {"set": plain, "types": types, "refill": refilled, "delete": deleted}
        return {part: value for part, value in changes.items() if value}

    def _refuse(self, pointer: str, error: Exception, scope: StepScope) -> None:
        place = (
            f"the field {pointer[1:].replace('/', '.')!r} of the run's context" if pointer else "the context"
        )
        scope.refuse(
            f"step {scope.name!r} changed {place} (a {type(self._context).__qualname__}) to what the journal "
            f"cannot keep: {error}. A replay could not make that change again. Put JSON there, or a Pydantic "
            "model or dataclass of module level. What belongs to the process, like a client, is made before "
            "the run, or by a functools.cached_property"
        )


_NOTHING = context_fields.Field(object(), ("nothing",))


def _above(pointer: str) -> Iterator[str]:
    """The pointers of all that the field is in."""
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer


def _is_inside(outer: str, pointer: str) -> bool:
    return pointer == outer or pointer.startswith(f"{outer}/")
