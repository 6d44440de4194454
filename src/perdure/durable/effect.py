"""effect(): a step that is not started a second time behind your back.

A step is started again when its process died before the result was recorded, because nobody knows how far
it came. An effect is claimed first: an entry of its own, `claim <name>`, which the engine has acknowledged
before the action starts. A claim is spent by starting the action, and only the process that made it can
spend it. So an attempt that finds a claim which it cannot spend, and no record, knows that the action may
have been started. That is journaled as the outcome, and `on_unknown` decides.

It is never "exactly once". Nobody can promise that for an action outside of the journal; what can be promised
is at most one start for each claim, and a word when its outcome is unknown.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload
from uuid import uuid4

from restate.serde import Serde

from perdure.durable import values
from perdure.durable.context import DurableContext, current
from perdure.durable.step import (
    ONCE,
    TRANSIENT,
    Action,
    Claim,
    Codec,
    RetryPolicy,
    misplaced,
    serde_codec,
    tries,
)
from perdure.errors import EffectUnknown

T = TypeVar("T")

# An effect that takes its process with it each time would otherwise be started for ever.
_UNKNOWN_MAX = 10
# Claims that this process made and has not spent. One is left over when an attempt ends in between and the
# next one runs elsewhere; the oldest are forgotten then, which makes their outcome unknown.
_unspent: dict[str, None] = {}
_UNSPENT_MAX = 10_000


@dataclass(frozen=True)
class Happened(Generic[T]):
    """The effect took place, and this is what its action would have returned."""

    result: T


@dataclass(frozen=True)
class NotHappened:
    """The effect did not take place, and will not: it may be started."""


Outcome = Happened[T] | NotHappened
Reconcile = Callable[[str], Awaitable[Outcome[T]]]
"""Finds out, by its idempotency key, whether an effect took place. Runs as a step."""


@dataclass(frozen=True)
class Judge(Generic[T]):
    """Decides what became of an effect on the deterministic loop, where it may wait for days."""

    decide: Callable[[EffectUnknown], Awaitable[Outcome[T]]]


OnUnknown = Literal["fail", "retry"] | Reconcile[T] | Judge[T]


@overload
async def effect(
    name: str,
    action: Callable[..., Awaitable[T]],
    *args: Any,
    on_unknown: OnUnknown[T] = ...,
    retry: RetryPolicy = ...,
    serde: Serde[T] | None = ...,
) -> T: ...


@overload
async def effect(
    name: str,
    action: Callable[..., T],
    *args: Any,
    on_unknown: OnUnknown[T] = ...,
    retry: RetryPolicy = ...,
    serde: Serde[T] | None = ...,
) -> T: ...


async def effect(
    name: str,
    action: Action[T],
    *args: Any,
    on_unknown: OnUnknown[T] = "fail",
    retry: RetryPolicy = ONCE,
    serde: Serde[T] | None = None,
) -> T:
    """Run `action(*args)` as `step` does, but claim it first, so that it is not started twice unasked.

    action: may call `idempotency_key()`; the key is the same however often it is started.
    on_unknown: what to do when the action may have been started, and nobody knows how it went. `"fail"`:
        raise EffectUnknown. `"retry"`: start it again, with the same key; right if the other side knows
        keys. A function of the key: a step that finds out, and returns `Happened(result)` or
        `NotHappened()`. A `Judge`, such as `perdure.ASK_HUMAN`: code on the loop, which may wait for days.
    retry: for errors that the action raises. They are outcomes that are known, and not tried again unless a
        policy says so. Each try has a claim of its own.

    Raises what `step` raises, and EffectUnknown; also when the outcome was unknown ten times in a row.
    """
    context = current()
    if context is None:
        raise misplaced(name)
    codec: Codec[T] = Codec() if serde is None else serde_codec(serde)
    claim = claims(context, name, context.idempotency_key(name))

    async def start() -> T:
        return await tries(context, name, action, args, retry, codec, claim=claim)

    return await settled(context, start, on_unknown, codec)


async def settled(
    context: DurableContext,
    start: Callable[[], Awaitable[T]],
    on_unknown: OnUnknown[T],
    codec: Codec[T],
) -> T:
    """Await `start()`, which makes claimed tries, until its outcome is known or `on_unknown` gives up."""
    try:
        return await _settle(context, start, on_unknown, codec)
    except EffectUnknown as unknown:
        note_unknown(unknown)
        raise


async def _settle(
    context: DurableContext,
    start: Callable[[], Awaitable[T]],
    on_unknown: OnUnknown[T],
    codec: Codec[T],
) -> T:
    rounds = 1
    while True:
        try:
            return await start()
        except EffectUnknown as unknown:
            if on_unknown == "fail" or rounds == _UNKNOWN_MAX:
                raise
            if on_unknown != "retry":
                outcome = await _judged(context, on_unknown, unknown, codec)
                if isinstance(outcome, Happened):
                    return outcome.result
        rounds += 1


_noted: contextvars.ContextVar[list[EffectUnknown] | None] = contextvars.ContextVar(
    "perdure_effects_unknown", default=None
)


def note_unknown(unknown: EffectUnknown) -> None:
    """Tell the innermost `noting_unknown` block of an error that is about to be raised."""
    if (noted := _noted.get()) is not None:
        noted.append(unknown)


@contextmanager
def noting_unknown() -> Iterator[list[EffectUnknown]]:
    """The EffectUnknown errors that effects in the block raise, whoever catches them there."""
    noted: list[EffectUnknown] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


async def _judged(
    context: DurableContext, judge: Reconcile[T] | Judge[T], unknown: EffectUnknown, codec: Codec[T]
) -> Outcome[T]:
    if isinstance(judge, Judge):
        return await judge.decide(unknown)
    name = f"reconcile {unknown.effect}"
    return await tries(context, name, judge, (unknown.key,), TRANSIENT, _outcome_codec(codec))


def _outcome_codec(codec: Codec[T]) -> Codec[Outcome[T]]:
    def to_json(outcome: Outcome[T]) -> tuple[values.Json, dict[str, str]]:
        if isinstance(outcome, NotHappened):
            return None, {}
        if not isinstance(outcome, Happened):
            raise TypeError("a reconcile function answers Happened(result) or NotHappened()")
        plain, types = codec.to_json(outcome.result)
        return {"result": plain, "types": types}, {}

    def from_json(plain: values.Json, _types: dict[str, str]) -> Outcome[T]:
        return NotHappened() if plain is None else Happened(codec.from_json(plain["result"], plain["types"]))

    return Codec(to_json, from_json)


# ---- claims


class _Claim:
    """A journaled claim, whoever made it."""

    def __init__(self, name: str, token: str, key: str) -> None:
        self._name, self._token, self.key = name, token, key

    def spend(self) -> EffectUnknown | None:
        try:
            del _unspent[self._token]
        except KeyError:
            return EffectUnknown(self._name, self.key)
        return None


MakeClaim = Callable[[], Awaitable[Claim]]


def claims(context: DurableContext, name: str, key: str) -> MakeClaim:
    """What `tries` calls to claim each try of an effect.

    The claim holds the key, and the journaled one counts: an invocation that was restarted with this prefix
    of a journal has another id, but what was started before was started with the old key.
    """

    async def claim() -> Claim:
        nonlocal key
        made = await tries(context, f"claim {name}", _make, (key,), ONCE, Codec[dict[str, str]]())
        key = made["key"]
        return _Claim(name, made["claim"], key)

    return claim


async def _make(key: str) -> dict[str, str]:
    """The closure of a claim. Its token is new each time, so that no forked process has a sibling's."""
    token = uuid4().hex
    _unspent[token] = None
    if len(_unspent) > _UNSPENT_MAX:
        del _unspent[next(iter(_unspent))]
    return {"claim": token, "key": key}
