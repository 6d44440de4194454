"""Sessions of the Agents SDK, and of users: each operation is one step.

A read is journaled, so a replay sees the history that the run saw. A write whose process died between the
write and its record is made again by the next attempt, which looks at the end of the session first and
leaves out what is there already. That read is made only by an attempt that resumes: see
`DurableContext.may_repeat`.

What a session object keeps in the process (the id of a conversation that the server made up, the branch
that was switched to) is journaled with each operation, and put back on replay.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from perdure.durable import TRANSIENT, DurableContext, current
from perdure.durable.step import Codec, tries
from perdure.errors import NotDurable
from perdure.openai import codec

Item = Any  # what the session holds: a dict, as a rule

# The default, but that errors of the OpenAI client keep their class: a session may be on its servers.
_CODEC: Codec[Any] = Codec(failure_to_json=codec.failure_to_json, failure_from_json=codec.failure_from_json)


@dataclass(frozen=True)
class Backend:
    """A session, and what `perform` needs to know of its class.

    last_items: reads the last n items.
    memory: the attributes that its methods change in the process, as (holder, name).
    same_ids: whether an item is read with the id that it was written with.
    batch: how many items it writes at once, if `add_items` does not write all of them or none.
    """

    session: Any
    last_items: Callable[[int], Awaitable[list[Item]]]
    memory: Sequence[tuple[object, str]] = ()
    same_ids: bool = True
    batch: int | None = None


async def perform(backend: Backend, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """One step, named like `session.get_items`."""
    performed = False

    async def act() -> Any:
        nonlocal performed
        performed = True
        value = await call()
        if not backend.memory:
            return value
        return {"value": value, "memory": [getattr(holder, at, None) for holder, at in backend.memory]}

    recorded = await tries(_context(), f"session.{name}", act, (), TRANSIENT, _CODEC)
    if not backend.memory:
        return recorded
    if not performed:
        for (holder, at), value in zip(backend.memory, recorded["memory"], strict=True):
            setattr(holder, at, value)
    return recorded["value"]


async def add_items(
    backend: Backend, items: Sequence[Item], add: Callable[[Sequence[Item]], Awaitable[Any]]
) -> None:
    """Append items, but for those that an earlier try has appended."""
    context = _context()
    again = context.may_repeat()
    in_memory = _is_in_memory(backend.session)

    async def write() -> str | None:
        nonlocal again
        done = await _already_written(backend, items) if again else 0
        again = True  # a try that failed may have written before it did
        if done < len(items) or not items:
            await add(items[done:])
        return _sign(backend.session) if in_memory else None

    receipt = await perform(backend, "add_items", write)
    if in_memory and receipt not in _receipts.get(backend.session, ()):
        raise context.fail(_lost(backend.session))


async def pop_item(backend: Backend, pop: Callable[[], Awaitable[Item | None]]) -> Item | None:
    """Remove the last item, the one that a step of its own has seen there: another try pops no second one."""
    seen = await perform(backend, "get_items", lambda: backend.last_items(1))
    again = _context().may_repeat()

    async def take() -> Item | None:
        nonlocal again
        if again and seen and not _ends_with(await backend.last_items(1), seen, backend.same_ids):
            return seen[0]
        again = True
        return await pop()

    return await perform(backend, "pop_item", take)


def _context() -> DurableContext:
    context = current()
    assert context is not None
    return context


async def _already_written(backend: Backend, items: Sequence[Item]) -> int:
    """How many of the items, from the first on, stand at the end of the session."""
    if not items:
        return 0
    tail = await backend.last_items(len(items))
    parts: Sequence[int] = range(0, len(items), backend.batch)[:0:-1] if backend.batch else ()
    for count in (len(items), *parts):
        if _ends_with(tail, items[:count], backend.same_ids):
            return count
    return 0


def _ends_with(tail: Sequence[Item], items: Sequence[Item], same_ids: bool) -> bool:
    return len(tail) >= len(items) and all(
        _holds(_canonical(stored, same_ids), _canonical(item, same_ids))
        for stored, item in zip(tail[len(tail) - len(items) :], items, strict=True)
    )


def _canonical(item: Item, same_ids: bool) -> Item:
    """One form for a message that may be written short, `{"role": ..., "content": "text"}`, or in full."""
    if not isinstance(item, Mapping):
        return item
    plain = {key: value for key, value in item.items() if value is not None and (same_ids or key != "id")}
    if "role" in plain:
        plain.setdefault("type", "message")
        if isinstance(plain.get("content"), str):
            plain["content"] = [{"text": plain["content"]}]
    return plain


def _holds(stored: Item, item: Item) -> bool:
    """Whether all of `item` is in `stored`; a server may add fields of its own."""
    if isinstance(item, Mapping) and isinstance(stored, Mapping):
        return all(value is None or _holds(stored.get(key), value) for key, value in item.items())
    if isinstance(item, list | tuple) and isinstance(stored, list | tuple):
        return len(stored) == len(item) and all(map(_holds, stored, item))
    return bool(stored == item)


# ---- sessions in memory

# What each such session has really written, in this process: receipts that are journaled too.
_receipts: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def _is_in_memory(session: Any) -> bool:
    return str(getattr(session, "db_path", "")) == ":memory:"


def _sign(session: Any) -> str:
    receipt = uuid.uuid4().hex
    _receipts.setdefault(session, set()).add(receipt)
    return receipt


def _lost(session: Any) -> NotDurable:
    name = type(session).__name__
    return NotDurable(
        f"{name}({session.session_id!r}) keeps its items in the memory of the process, and this run has been "
        "resumed with a new and empty one: what it had written is lost. Give it a file, "
        f'{name}({session.session_id!r}, "conversations.db"), or use DurableSession()'
    )
