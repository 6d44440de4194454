"""step(): one journaled effect.

The closure of a step runs as a task of the real event loop (or in a thread, if it is a plain function), in
the contextvars of the code that asked for it. Its outcome, success or failure, is journaled as a value, so
a failing step never ends the attempt while its siblings are in flight: the engine would run those again,
and bill their model calls again. A retry is the step's own: the pause is a durable sleep, the next try is a
new entry.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import inspect
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from restate.context import RunOptions
from restate.exceptions import TerminalError
from restate.serde import Serde

from perdure.durable import about, failures, step_spans, values
from perdure.durable.context import DurableContext, StepScope, current, enclosing_step
from perdure.durable.future import DurableFuture
from perdure.errors import EffectUnknown, NotDurable, NotSerialisable

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)
Action = Callable[..., Awaitable[T]] | Callable[..., T]


@dataclass(frozen=True)
class RetryPolicy:
    """When and how often a failed try of a step is made again.

    attempts_max: tries in all, the first included.
    initial_delay_ms, factor, delay_ms_max: the pause before try n+1 is initial_delay_ms * factor**(n-1), at
        most
        delay_ms_max, less up to a fifth by chance. A longer Retry-After of the other side is obeyed as it
        stands.
    retryable: which errors are worth another try; by default network errors, time-outs, 408, 409, 425, 429,
        5xx.
    """

    attempts_max: int = 4
    initial_delay_ms: int = 500
    factor: float = 2.0
    delay_ms_max: int = 30_000
    retryable: Callable[[BaseException], bool] = failures.is_transient

    def delay_ms(self, error: BaseException, attempt: int) -> int | None:
        """The pause after the given try (1 is the first) failed; None if it was the last."""
        if attempt >= self.attempts_max or isinstance(error, TerminalError) or not self.retryable(error):
            return None
        backoff = min(self.initial_delay_ms * self.factor ** (attempt - 1), float(self.delay_ms_max))
        asked = failures.retry_after_ms(error)
        return max(round(backoff * random.uniform(0.8, 1.0)), asked or 0)


ONCE = RetryPolicy(attempts_max=1)
TRANSIENT = RetryPolicy()


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How a step's value and errors are journaled. The default is that of `values` and `failures`."""

    to_json: Callable[[T], tuple[values.Json, dict[str, str]]] = values.to_json
    from_json: Callable[[values.Json, dict[str, str]], T] = values.from_json
    failure_to_json: Callable[[BaseException], failures.Failure] = failures.to_json
    failure_from_json: Callable[[str, failures.Failure], BaseException] = failures.from_json


class Watch(Protocol):
    """What a try changes beside its result, in an object that it shares with the code on the loop. Made when
    the try is issued.
    """

    def changes(self, scope: StepScope) -> values.Json | None:
        """What the closure, which has ended now, changed; None if nothing."""

    def redo(self, changes: values.Json | None) -> None:
        """Make journaled changes again, in a process where the closure did not run."""

    def end(self) -> None:
        """Nobody waits for the try any more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the journal tells of a try beside its outcome. again: an earlier attempt had begun it and left no
    result. about: see `perdure.durable.about`.
    """

    name: str
    again: bool
    about: Mapping[str, values.Json]


_noted: contextvars.ContextVar[list[Ended] | None] = contextvars.ContextVar("perdure_tries", default=None)


@contextmanager
def noting_tries() -> Iterator[list[Ended]]:
    """Note the tries that end while they are awaited in the block. All that is noted is from the journal, so
    it is the same in every replay. Attempts may have begun tries of which the journal has not heard.
    """
    noted: list[Ended] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


class Claim(Protocol):
    """Leave to start an action once. See `effect`."""

    key: str  # the idempotency key that it is for

    def spend(self) -> EffectUnknown | None:
        """None, and the action may start now; or why it must not."""


@overload
async def step(  # first: a result that can be awaited is awaited
    name: str,
    action: Callable[..., Awaitable[T]],
    *args: Any,
    retry: RetryPolicy = ...,
    serde: Serde[T] | None = ...,
) -> T: ...


@overload
async def step(
    name: str,
    action: Callable[..., T],
    *args: Any,
    retry: RetryPolicy = ...,
    serde: Serde[T] | None = ...,
) -> T: ...


async def step(
    name: str,
    action: Action[T],
    *args: Any,
    retry: RetryPolicy = TRANSIENT,
    serde: Serde[T] | None = None,
) -> T:
    """Run `action(*args)` once, journal its result, and return it; on replay return the journaled result.

    name: shown in the journal, and checked on replay.
    action: an async function, or a plain one, which runs in a thread.
    retry: which errors are tried again, and when.
    serde: for results that are neither JSON nor Pydantic models, dataclasses, enums, datetimes, Decimals,
        UUIDs.

    Raises the action's error after the last try (`StepFailed` if the journal cannot rebuild it),
    NotSerialisable if the result cannot be journaled, NotDurable outside of a durable run and inside
    another step.
    """
    context = current()
    if context is None:
        raise misplaced(name)
    codec: Codec[T] = Codec() if serde is None else serde_codec(serde)
    return await tries(context, name, action, args, retry, codec)


def misplaced(name: str) -> NotDurable:
    """The error for a step in code that belongs to no durable run, or to another step."""
    if (outer := enclosing_step()) is not None:
        return outer.refuse(
            f"step {name!r} is inside the step {outer.name!r}, which is one journal entry already. Call "
            "the function itself there, or make the code around it run outside of a step: a tool under "
            "@perdure.durable_tool does, and one whose first parameter is a "
            "RunContextWrapper[restate.Context], in a run with "
            "context=ctx"
        )
    return NotDurable(
        f"step {name!r} is outside of a durable run: call it from code that `DurableRunner.run(...)` or "
        "`durable.run(ctx, main)` runs"
    )


async def tries(
    context: DurableContext,
    name: str,
    action: Action[T],
    args: tuple[Any, ...],
    retry: RetryPolicy,
    codec: Codec[T],
    first: Try[T] | None = None,
    watch: Callable[[], Watch | None] | None = None,
    key: str | None = None,
    claim: Callable[[], Awaitable[Claim]] | None = None,
) -> T:
    """Make the tries of a step.

    first: one that has been issued already. watch: starts one for a try. key: the idempotency key of all,
    if it is not to be made of the name. claim: awaited before each try, and has the key.
    """
    attempt, ordinal = 1, None
    if key is None and claim is None:
        key = first.key if first is not None else context.idempotency_key(name)
    while True:
        claimed = await claim() if claim is not None else None
        watching = watch() if watch is not None else None
        its_key = claimed.key if claimed is not None else cast(str, key)
        trying = first or Try(
            context, name, action, args, retry, codec, attempt, its_key, watching, claimed, ordinal
        )
        ordinal = trying.ordinal
        entry = await trying
        if "misuse" in entry:
            raise context.fail(NotDurable(entry["misuse"]))
        if "error" not in entry:
            return codec.from_json(entry.get("ok"), entry.get("types", {}))
        delay_ms = entry["error"].get("retry_in_ms")
        if delay_ms is None:
            raise final(codec.failure_from_json(name, entry["error"]))
        await context.sleep_ms(delay_ms)
        first = None
        attempt += 1


def final(error: E) -> E:
    """Mark an error as one that no retry of the invocation changes, because the journal holds it.

    The SDK looks for a TerminalError among the causes of what leaves a handler; everybody else sees `error`.
    """
    root: BaseException = error
    while root.__cause__ is not None and not isinstance(root.__cause__, TerminalError):
        root = root.__cause__
    if not isinstance(root, TerminalError):
        root.__cause__ = TerminalError(
            f"{type(error).__name__}: {failures.text_of(error)}", failures.status_of(error) or 500
        )
    return error


def not_final(error: E) -> E:
    """The inverse of `final`, for a caller that may try again."""
    root: BaseException = error
    while root.__cause__ is not None:
        if isinstance(root.__cause__, TerminalError):
            root.__cause__ = None
            break
        root = root.__cause__
    return error


class Try(Generic[T]):
    """One try of a step: one run entry. Issued when it is made.

    `ordinal` says which step of the handler it is; all tries of the step have the same.
    """

    def __init__(
        self,
        context: DurableContext,
        name: str,
        action: Action[T],
        args: tuple[Any, ...],
        retry: RetryPolicy,
        codec: Codec[T],
        attempt: int,
        key: str,
        watch: Watch | None = None,
        claim: Claim | None = None,
        ordinal: int | None = None,
    ) -> None:
        self.ordinal = ordinal if ordinal is not None else context.next_step()
        self._watch = watch
        self._ran_here = False
        self.key, self._claim = key, claim
        self._begun_before = context.is_replaying()  # asked before our command takes its place
        self._name, self._action, self._args = name, action, args
        self._retry, self._codec, self._attempt = retry, codec, attempt
        self._contextvars = contextvars.copy_context()
        self._facts = about.facts()
        self._closure: asyncio.Task[Any] | None = None
        self._scope: StepScope | None = None
        self._context = context
        self._future: DurableFuture[dict[str, Any]] = context.journal_run(
            name, self._perform, RunOptions(serde=_JSON)
        )

    def __await__(self) -> Any:
        try:
            entry = yield from self._future.__await__()
        except asyncio.CancelledError:
            if self._closure is not None and self._scope is not None:
                self._closure.cancel()
                self._scope.give_up()
            raise
        finally:
            if self._watch is not None:
                self._watch.end()
        if self._watch is not None and not self._ran_here:
            self._watch.redo(entry.get("changes"))
        if (noted := _noted.get()) is not None:
            noted.append(Ended(self._name, bool(entry.get("again")), entry.get("about", {})))
        if self._closure is not None:
            self._context.progressed()
        return entry

    async def _perform(self) -> dict[str, Any]:
        """The closure of the run, on the real loop. Its value is an envelope, so the run itself never
        fails.
        """
        if self._claim is not None and (unknown := self._claim.spend()) is not None:
            return self._facts.beside_failure() | {"error": failures.to_json(unknown)}
        scope = self._scope = StepScope(self._context, self._name, self.key, self.ordinal, self._attempt)
        span = step_spans.start(self._context, self._name, self.ordinal, self._attempt, self._contextvars)
        self._contextvars.run(scope.enter)
        loop = asyncio.get_running_loop()
        self._closure = loop.create_task(self._act(), context=self._contextvars, name=f"step {self._name}")
        try:
            await asyncio.wait((self._closure,))
        except asyncio.CancelledError:  # the attempt is over
            self._closure.cancel()
            step_spans.end(span, None)
            raise
        self._ran_here = True
        envelope = self._ended(self._closure, scope)
        step_spans.end(span, envelope)
        await scope.end(succeeded="ok" in envelope)  # readers have it all before anything follows from it
        return envelope

    def _ended(self, closure: asyncio.Task[T], scope: StepScope) -> dict[str, Any]:
        """What is journaled of the closure, which has ended."""
        changes = self._watch.changes(scope) if self._watch is not None else None
        if scope.misuse is not None:
            closure.cancelled() or closure.exception()  # retrieved: the misuse tells what it does
            return {"misuse": scope.misuse}
        envelope = self._outcome(closure)
        if changes is not None:
            envelope["changes"] = changes
        if self._begun_before:
            envelope["again"] = True
        return envelope

    def _outcome(self, closure: asyncio.Task[T]) -> dict[str, Any]:
        """The outcome of the closure."""
        error: BaseException | None
        try:
            error = closure.exception()
        except asyncio.CancelledError as cancelled:  # the action gave up by itself
            error = cancelled
        if error is None:
            # The facts come first, so that who reads only the beginning of a long value has them.
            return self._facts.beside_result(closure.result()) | self._success(closure.result())
        return self._facts.beside_failure() | self._failure(error)

    async def _act(self) -> T:
        action = self._action
        if is_async(action):
            return await cast(Awaitable[T], action(*self._args))
        thread = asyncio.ensure_future(asyncio.to_thread(action, *self._args))
        try:
            result = await asyncio.shield(thread)
        except asyncio.CancelledError:
            thread.add_done_callback(_drop)
            raise
        return cast(T, await result if inspect.isawaitable(result) else result)

    def _failure(self, error: BaseException) -> dict[str, Any]:
        failure = self._codec.failure_to_json(error)
        if (delay_ms := self._retry.delay_ms(error, self._attempt)) is not None:
            failure["retry_in_ms"] = delay_ms
        return {"error": failure}

    def _success(self, value: T) -> dict[str, Any]:
        try:
            plain, types = self._codec.to_json(value)
        except Exception as error:
            unfit = NotSerialisable(
                f"step {self._name!r} returned a {type(value).__qualname__} that the journal cannot give "
                f"back: {error}. "
                "Return JSON, a Pydantic model or a dataclass, or pass serde=... to step()"
            )
            return {"error": failures.to_json(unfit)}
        return {"ok": plain, "types": types} if types else {"ok": plain}


def is_async(function: Callable[..., object]) -> bool:
    """Whether a call of it, a function or an object, makes a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _drop(thread: asyncio.Future[Any]) -> None:
    """Nobody wants what the thread brings any more; a coroutine would complain that it was never awaited."""
    if not thread.cancelled() and thread.exception() is None and inspect.iscoroutine(thread.result()):
        thread.result().close()


def serde_codec(serde: Serde[T]) -> Codec[T]:
    """A codec that keeps a serde's bytes: as JSON where they are JSON, else as base64."""

    def to_json(value: T) -> tuple[values.Json, dict[str, str]]:
        data = bytes(serde.serialize(value))
        try:
            return {"json": json.loads(data)}, {}
        except ValueError:
            return {"base64": base64.b64encode(data).decode()}, {}

    def from_json(plain: values.Json, _types: dict[str, str]) -> T:
        if "json" in plain:
            return cast(T, serde.deserialize(json.dumps(plain["json"]).encode()))
        return cast(T, serde.deserialize(base64.b64decode(plain["base64"])))

    return Codec(to_json, from_json)


class _Json(Serde[dict[str, Any]]):
    def serialize(self, obj: dict[str, Any] | None) -> bytes:
        return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode()

    def deserialize(self, buf: bytes) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(buf))


_JSON = _Json()
