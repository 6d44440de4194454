"""Sessions: the one function through which the runner calls them, and their classes, for calls by users."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from agents import Usage
from agents.memory import OpenAIConversationsSession, SessionABC

from perdure.durable import on_deterministic_loop
from perdure.openai import sessions
from perdure.openai.compat.point import Point
from perdure.openai.durable_session import DurableSession

_PERSISTENCE = "agents.run_internal.session_persistence"
_COMPACTION = "agents.memory.openai_responses_compaction_session:OpenAIResponsesCompactionSession"

_CALL_SESSION = Point(_PERSISTENCE, "_call_session_method", "method", "wrapper")
_IGNORES_IDS = Point(_PERSISTENCE, "_ignore_ids_for_matching", "session")
_GET_WITH_GENERATION = Point(_COMPACTION, "_get_items_with_generation", "read_items")
_ADD_WITH_GENERATION = Point(_COMPACTION, "_add_items_with_generation", "write_items", "expected_generation")

_METHODS = ("get_items", "add_items", "pop_item", "clear_session", "run_compaction")
_WITHOUT_RESULT = ("clear_session", "run_compaction", "defer_compaction")
# What the SDK's classes keep in the process, by class name: some are imported only when they are used.
_MEMORY = {
    "OpenAIConversationsSession": ("_session_id",),
    "OpenAIResponsesCompactionSession": (
        "_response_id",
        "_deferred_response_id",
        "_last_unstored_response_id",
    ),
    "AdvancedSQLiteSession": ("_branch_state",),
}


async def _call_session(
    original: Any, method: Any, /, *args: Any, wrapper: Any = None, **options: Any
) -> Any:
    session: Any = getattr(method, "__self__", None)
    # A double in a test has neither a session nor a name; of all methods only this one is given a list.
    adds = bool(args) and isinstance(args[0], list)
    name = "add_items" if adds else getattr(method, "__name__", "call").lstrip("_")
    if isinstance(session, DurableSession) or name.endswith("_with_generation"):
        return await original(method, *args, wrapper=wrapper, **options)
    if name == "run_compaction" and wrapper is not None:
        return await _compact(original, method, *args, wrapper=wrapper, **options)

    def call(*args: Any, **options: Any) -> Any:
        return original(method, *args, wrapper=wrapper, **options)

    async def last_items(count: int) -> Any:
        if session is None:
            return []
        if not _takes_limit(session.get_items):
            return (await original(session.get_items, wrapper=wrapper))[-count:]
        return await original(session.get_items, limit=count, wrapper=wrapper)

    backend = _backend(session, last_items)
    return await _perform(backend, name, call, *args, **options)


async def _perform(backend: sessions.Backend, name: str, call: Any, *args: Any, **options: Any) -> Any:
    if name == "add_items":
        items, *rest = args if args else (options.pop("items"),)
        return await sessions.add_items(backend, items, lambda left: call(list(left), *rest, **options))
    if name == "pop_item":
        return await sessions.pop_item(backend, lambda: call(*args, **options))

    async def perform() -> Any:
        result = await call(*args, **options)
        return None if name in _WITHOUT_RESULT else result

    return await sessions.perform(backend, name, perform)


def _backend(session: Any, last_items: Any) -> sessions.Backend:
    _, ignores_ids = _IGNORES_IDS.find()
    return sessions.Backend(
        session,
        last_items,
        memory=tuple(_memory(session)),
        same_ids=not ignores_ids(session),
        batch=20 if isinstance(session, OpenAIConversationsSession) else None,
    )


def _takes_limit(get_items: Any) -> bool:
    """Whether a session reads its last items; sessions of an older protocol only know all of them."""
    try:
        parameters = inspect.signature(get_items).parameters
    except Exception:  # a method may be any object, and refuse to be looked at
        return False
    return "limit" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _memory(session: Any) -> Iterator[tuple[object, str]]:
    """What a session and those that it wraps keep in the process."""
    while session is not None:
        for cls in type(session).__mro__:
            if cls.__module__.startswith("agents."):
                yield from ((session, name) for name in _MEMORY.get(cls.__name__, ()))
        session = vars(session).get("underlying_session") if hasattr(session, "__dict__") else None


# ---- compaction


async def _compact(original: Any, method: Any, *args: Any, wrapper: Any, **options: Any) -> None:
    """A compaction is a model call: what it says to the run is journaled, and so is what it cost."""
    session = method.__self__
    aside = copy.copy(wrapper)
    aside.usage = Usage()

    async def compact() -> dict[str, Any]:
        await original(method, *args, wrapper=aside, **options)
        return {
            "usage": aside.usage,
            "completed": getattr(aside, "_session_compaction_completed", False),
        }

    told = await sessions.perform(_backend(session, session.get_items), "run_compaction", compact)
    wrapper.usage.add(told["usage"])
    if told["completed"]:
        wrapper._session_compaction_completed = True


async def _get_with_generation(_original: Any, self: Any, read_items: Any) -> tuple[Any, int]:
    """The generation tells writes of this object from each other; it is the process's, and not journaled."""
    return await read_items(), self._mutation_generation


async def _add_with_generation(
    _original: Any, self: Any, write_items: Any, *, expected_generation: int | None
) -> int | None:
    before = self._mutation_generation
    await write_items()
    # On replay nothing is written, and the generation stays.
    owned = expected_generation == before and self._mutation_generation in (before, before + 1)
    return self._mutation_generation if owned else None


# ---- calls by users


def cover_session_classes() -> None:
    """Make methods of session classes steps where users call them on the deterministic loop.

    The SDK's classes, with all their public methods, and what users derive from SessionABC: those that are
    defined already, and those to come.
    """

    def cover_new(cls: Any, /, **options: Any) -> None:
        super(SessionABC, cls).__init_subclass__(**options)
        _cover(cls)

    if not hasattr(SessionABC, "__perdure__"):
        SessionABC.__perdure__ = True  # type: ignore[attr-defined]
        SessionABC.__init_subclass__ = classmethod(cover_new)  # type: ignore[assignment]
        for cls in _subclasses(SessionABC):
            _cover(cls)


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _cover(cls: type) -> None:
    of_sdk = cls.__module__.startswith("agents.")
    own = [name for name in vars(cls) if not name.startswith("_")] if of_sdk else []
    for name in {*_METHODS, *own}:
        function = getattr(cls, name, None)
        if inspect.iscoroutinefunction(function) and not hasattr(function, "__perdure__"):
            setattr(cls, name, _as_step(function))


def _as_step(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def method(self: Any, *args: Any, **options: Any) -> Any:
        if not on_deterministic_loop():
            return await function(self, *args, **options)
        backend = _backend(self, lambda n: self.get_items(limit=n))
        bound = functools.partial(function, self)
        return await _perform(backend, function.__name__, bound, *args, **options)

    method.__perdure__ = True  # type: ignore[attr-defined]
    return method


RELIED_ON: tuple[Point, ...] = (_IGNORES_IDS,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _CALL_SESSION: _call_session,
    _GET_WITH_GENERATION: _get_with_generation,
    _ADD_WITH_GENERATION: _add_with_generation,
}
