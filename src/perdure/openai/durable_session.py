"""DurableSession: a conversation in the state of the virtual object that the handler runs in.

State is journaled with the run, so the session needs no step of its own, and no crash can lose or double an
item: the engine writes an item, and the fact that the run got that far, in one commit.

Layout, for a session named NAME; tools may read it, and only the session writes it:

    session/NAME            {"version": 1, "items": 12}
    session/NAME/000000     the first item, as the Agents SDK made it
    session/NAME/000011     the last one

One key an item: an append writes what it adds, and not the history. Items are written before their count, so
whoever reads between two writes sees a whole beginning of the conversation.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypedDict, cast
from weakref import WeakKeyDictionary

from agents import SessionSettings, TResponseInputItem
from restate.context import ObjectContext
from restate.extensions import current_context
from restate.serde import Serde

from perdure.durable import DurableContext, current
from perdure.durable.context import enclosing_step, state_access
from perdure.durable.step import final
from perdure.errors import NotDurable

PREFIX = "session/"
_VERSION = 1


class _Head(TypedDict):
    version: int
    items: int


class DurableSession:
    """A session of the Agents SDK: `DurableRunner.run(agent, message, session=DurableSession())`.

    Use it in a handler of a `restate.VirtualObject` or in the main handler of a `restate.Workflow`; a shared
    handler may read it. It keeps nothing in the process: any number of instances are the same conversation.

    name: tells several conversations of one object from each other; without "/".
    session_settings: as in the SDK; `SessionSettings(limit=20)` gives the model the last 20 items.

    Every method raises NotDurable where there is no such state, and inside a step; writing does so in a
    shared handler.
    """

    session_settings: SessionSettings | None

    def __init__(
        self, name: str = "default", *, session_settings: SessionSettings | dict[str, Any] | None = None
    ) -> None:
        if not name or "/" in name:
            raise ValueError(f"a session's name is some text without '/', not {name!r}")
        self.session_id = name
        self.session_settings = (
            SessionSettings(**session_settings) if isinstance(session_settings, dict) else session_settings
        )

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items, oldest first; the last `limit` of them if there is one, here or in the settings."""
        context = self._context(to="read")
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        end = await self._length(context)
        start = 0 if limit is None or limit < 0 else max(0, end - limit)
        reads = [context.get(self._key(at), _JSON) for at in range(start, end)]
        items = [await read for read in reads]
        return [cast(TResponseInputItem, item) for item in items if item is not None]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append items. Raises TypeError, and writes nothing, if one of them is not JSON."""
        context = self._context(to="write")
        for item in items:
            _JSON.serialize(item)
        async with _lock(context, self.session_id):
            end = await self._length(context)
            for at, item in enumerate(items, end):
                context.set(self._key(at), item, _JSON)
            self._set_length(context, end + len(items))

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the last item and return it; None if there is none."""
        context = self._context(to="write")
        async with _lock(context, self.session_id):
            end = await self._length(context)
            if end == 0:
                return None
            item = await context.get(self._key(end - 1), _JSON)
            self._set_length(context, end - 1)
            context.clear(self._key(end - 1))
            return cast(TResponseInputItem, item)

    async def clear_session(self) -> None:
        """Remove all items."""
        context = self._context(to="write")
        async with _lock(context, self.session_id):
            end = await self._length(context)
            context.clear(PREFIX + self.session_id)
            for at in range(end):
                context.clear(self._key(at))

    def _key(self, at: int) -> str:
        return f"{PREFIX}{self.session_id}/{at:06}"

    async def _length(self, context: ObjectContext) -> int:
        head = cast("_Head | None", await context.get(PREFIX + self.session_id, _JSON))
        if head is None:
            return 0
        if head["version"] > _VERSION:
            raise ValueError(f"a session of version {head['version']}; this Perdure knows {_VERSION}")
        return head["items"]

    def _set_length(self, context: ObjectContext, items: int) -> None:
        context.set(PREFIX + self.session_id, _Head(version=_VERSION, items=items), _JSON)

    def _context(self, to: str) -> ObjectContext:
        """The context whose state the session is in."""
        if (step := enclosing_step()) is not None:
            raise step.refuse(
                f"DurableSession({self.session_id!r}) was used inside the step {step.name!r}, where there is "
                "no state. Use it in code that runs outside of a step; no session of the Agents SDK can wrap "
                "it, for their own operations are steps"
            )
        context = current() or _of_handler()
        if context is None:
            raise NotDurable(
                f"DurableSession({self.session_id!r}) was used outside of a restate handler, where there is "
                "no state. Use SQLiteSession there"
            )
        access = state_access(context)
        if access == "none":
            raise _refused(
                context,
                f"DurableSession({self.session_id!r}) keeps its items in the state of a virtual object, and "
                "this handler belongs to a restate.Service, which has none. Make the service a "
                'restate.VirtualObject("..."), one conversation a key, and its handler take a '
                'restate.ObjectContext; or use SQLiteSession("...", "conversations.db")',
            )
        if access == "read" and to == "write":
            raise _refused(
                context,
                f"DurableSession({self.session_id!r}) was written in a shared handler, which may only read "
                "the state of its object. Write it in an exclusive handler: @object.handler()",
            )
        return cast(ObjectContext, context)


def _of_handler() -> Any:
    try:
        return current_context()
    except LookupError:
        return None


def _refused(context: Any, message: str) -> Exception:
    error = NotDurable(message)
    return context.fail(error) if isinstance(context, DurableContext) else final(error)


# An append reads the count before it writes: two at once would write to the same place.
_locks: WeakKeyDictionary[Any, dict[str, asyncio.Lock]] = WeakKeyDictionary()


def _lock(context: ObjectContext, name: str) -> asyncio.Lock:
    return _locks.setdefault(context, {}).setdefault(name, asyncio.Lock())


class _Json(Serde[Any]):
    def serialize(self, obj: Any) -> bytes:
        return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode()

    def deserialize(self, buf: bytes) -> Any:
        return json.loads(buf)


_JSON = _Json()
