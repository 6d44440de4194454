"""The restate.Context that code on the deterministic loop sees."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.parse import quote
from uuid import UUID

import restate
from restate.context import (
    DurablePromise,
    ObjectContext,
    Request,
    RestateDurableCallFuture,
    RestateDurableFuture,
    RestateDurableSleepFuture,
    RunOptions,
    ScopedContext,
    SendHandle,
)
from restate.serde import DefaultSerde, Serde
from restate.server_context import _restate_context_var

from perdure.durable.future import DurableCall, DurableFuture, DurableSend, TaskFuture
from perdure.durable.outbox import Outbox, Source
from perdure.errors import DurableError, NotDurable
from perdure.streams.events import NewEvent
from perdure.telemetry import spans

if TYPE_CHECKING:
    from perdure.durable.driver import Driver

T = TypeVar("T")
E = TypeVar("E", bound=DurableError)

_current: contextvars.ContextVar[DurableContext | None] = contextvars.ContextVar(
    "perdure_current", default=None
)


def current() -> DurableContext | None:
    """The context of the durable run that the calling code belongs to; None outside of one and inside a
    step.
    """
    return _current.get()


class StepScope:
    """What a step's closure runs in: no context is current there, for it is one entry already.

    A misuse in there may be swallowed by what the closure calls, so it is noted here, and fails the run.

    ordinal, attempt: which step of the handler it is, and which try of it. The two name it to streams.
    """

    def __init__(
        self, context: DurableContext, name: str, idempotency_key: str, ordinal: int, attempt: int
    ) -> None:
        self.name = name
        self.idempotency_key = idempotency_key
        self.misuse: str | None = None
        self._context, self._ordinal, self._attempt = context, ordinal, attempt
        self._source: Source | None = None
        self._ended = False
        self._given_up = False

    def enter(self) -> None:
        _current.set(None)
        _scope.set(self)

    def refuse(self, message: str) -> NotDurable:
        self.misuse = self.misuse or message
        return NotDurable(message)

    def publish(self, stream: str, event: NewEvent) -> None:
        """From any thread. Raises NotDurable when the step has an outcome already."""
        if self._ended:
            raise NotDurable(
                f"something that step {self.name!r} started published a {event.type!r} event after the "
                "step's end. Let the step's function wait for it"
            )
        if self._given_up or (outbox := self._context.outbox()) is None:
            return
        with _beginning:  # two threads of the step must not count their events apart
            source = self._source = self._source or outbox.step(self._ordinal, self._attempt)
        outbox.put(source, stream, event)

    async def flush(self) -> None:
        """Wait until what the step has published is kept. See `Outbox.flush`."""
        if self._source is not None and (outbox := self._context.outbox()) is not None:
            await outbox.flush(self._source)

    async def end(self, *, succeeded: bool) -> None:
        """The try has this outcome, and publishes no more. What it has published is kept, or withdrawn."""
        self._ended = True
        if not succeeded:
            self._withdraw()
        await self.flush()

    def give_up(self) -> None:
        """Nobody waits for the try any more."""
        self._withdraw()
        self._given_up = True

    def _withdraw(self) -> None:
        if self._source is not None and not self._given_up and (outbox := self._context.outbox()) is not None:
            outbox.withdraw(self._source)


_beginning = threading.Lock()
_scope: contextvars.ContextVar[StepScope | None] = contextvars.ContextVar("perdure_step", default=None)


def enclosing_step() -> StepScope | None:
    """The step whose closure the calling code runs in; None outside of one."""
    return _scope.get()


def idempotency_key() -> str:
    """The key of the step that the calling code runs in: `<invocation id>/<step's name>`, and `/2` for the
    second of that name, and so on.

    All tries of the step have it, in all attempts; no other step of any invocation does. It is ASCII, fit
    for a header. Raises NotDurable outside of a step.
    """
    if (scope := _scope.get()) is None:
        raise NotDurable(
            "an idempotency key belongs to a step, and this code is in none. Ask for it in the function that "
            "step(...) or effect(...) is given, or in a tool that is one step"
        )
    return scope.idempotency_key


def state_access(context: restate.Context) -> Literal["none", "read", "write"]:
    """What the running handler may do with state: a service has none, a shared handler only reads it."""
    raw: Any = context._raw if isinstance(context, DurableContext) else context
    if raw.handler.service_tag.kind == "service":
        return "none"
    return "read" if raw.handler.kind == "shared" else "write"


class DurableContext(ObjectContext):
    """A `restate.Context` whose futures belong to the deterministic loop.

    It has all that the handler's own context has: state and key in a virtual object, promises in a
    workflow. `run` and `run_typed` keep the rules of `step()`: a failed try is journaled and tried again
    without ending the attempt.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._raw: Any = driver.context
        self._attempt = driver.attempt
        self._resumes = self.is_replaying()
        self._progressed = False
        self.is_traced = spans.is_on()  # asked once: it looks into the environment

    @property
    def of_handler(self) -> ObjectContext:
        """The handler's own context, which all runs in it share. Its futures belong to the real loop."""
        return self._driver.context

    def enter(self) -> None:
        """Make this the current context of the calling contextvars, for the SDK's own extensions too."""
        _current.set(self)
        _restate_context_var.set(self)

    def fail(self, error: E) -> E:
        """Let this run fail with an error, whoever catches it on its way, and return it to be raised."""
        return self._driver.loop.condemn(error)

    def idempotency_key(self, name: str) -> str:
        """A new key. The same one at the same point of every replay; see the function of that name."""
        used = self._attempt.names_used
        used[name] += 1
        nth = f"/{used[name]}" if used[name] > 1 else ""
        return f"{self._raw.request().id}/{quote(name, safe='')}{nth}"

    def next_step(self) -> int:
        """The ordinal of a step that is issued now, among all of the handler. The same on every replay."""
        self._attempt.steps += 1
        return self._attempt.steps

    def outbox(self) -> Outbox | None:
        """Where the run and its steps publish; None if nobody keeps streams for this invocation."""
        return self._attempt.outbox(self.of_handler)

    def publish(self, stream: str, event: NewEvent) -> None:
        """Publish an event of the run."""
        self._driver.check_on_loop("published an event")
        if (outbox := self.outbox()) is not None:
            outbox.put(outbox.run, stream, event)

    def is_replaying(self) -> bool:
        """Whether the next command is in the journal already, so that an earlier attempt has issued it."""
        return bool(self._raw.vm.is_replaying())

    def progressed(self) -> None:
        """Note that this attempt ran a step itself, and was given its result."""
        self._progressed = True

    def may_repeat(self) -> bool:
        """Whether a step that is issued now may have run in an earlier attempt, which died before its record.

        Not so where the journal knows of no attempt that came as far as this run; and not once this attempt
        was given the result of a step that it ran itself: a result is delivered only when it is in the
        journal, so no earlier attempt had it, and none can have come this far.
        """
        return self._resumes and not self._progressed

    def detach(self, cleanup: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Start a cleanup of the process's own resources on the real loop. It is not part of the run."""
        self._driver.detach(cleanup)

    async def outside(self, factory: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await a coroutine about the process's own resources on the real loop. Its result is not journaled:
        each attempt awaits it anew. Nothing else is delivered meanwhile.
        """
        return await self._driver.fetch(factory)

    def at_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` on the real loop when the attempt is over: what the process lent to it is free."""
        self._driver.at_end(callback)

    def _future(self, command: Callable[[], RestateDurableFuture[T]]) -> DurableFuture[T]:
        return DurableFuture(self._driver, self._driver.issue(command))

    def _call(self, command: Callable[[], Any]) -> DurableCall[Any]:
        return DurableCall(self._driver, self._driver.issue(command))

    def _send(self, command: Callable[[], Any]) -> DurableSend:
        return DurableSend(self._driver, self._driver.issue(command))

    # ---- runs

    def journal_run(self, name: str, closure: Any, options: RunOptions[T]) -> DurableFuture[T]:
        """One run entry, without any rules about failure. The building block of `step`."""
        return self._future(lambda: self._raw.run_typed(name, closure, options))

    def run_typed(
        self,
        name: str,
        action: Any,
        options: RunOptions[T] = RunOptions(),  # noqa: B008
        /,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        from perdure.durable.runs import run_step

        return TaskFuture(self._driver, run_step(self._driver, self, name, action, options, args, kwargs))

    def run(
        self,
        name: str,
        action: Any,
        serde: Serde[T] = DefaultSerde(),  # noqa: B008
        max_attempts: int | None = None,
        max_retry_duration: timedelta | None = None,
        type_hint: type[T] | None = None,
        args: tuple[Any, ...] | None = None,
    ) -> Any:
        options = RunOptions(
            serde=serde, max_attempts=max_attempts, max_duration=max_retry_duration, type_hint=type_hint
        )
        return self.run_typed(name, action, options, *(args or ()))

    # ---- time

    def sleep(self, delta: timedelta, name: str | None = None) -> RestateDurableSleepFuture:
        return cast(RestateDurableSleepFuture, self._future(lambda: self._raw.sleep(delta, name)))

    def sleep_ms(self, delay_ms: int) -> Awaitable[None]:
        return self.sleep(timedelta(milliseconds=delay_ms))

    def time(self) -> RestateDurableFuture[float]:
        return self._future(self._raw.time)

    # ---- calls

    def service_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[Any]:
        return self._call(lambda: self._raw.service_call(*args, **kwargs))

    def service_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._send(lambda: self._raw.service_send(*args, **kwargs))

    def object_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[Any]:
        return self._call(lambda: self._raw.object_call(*args, **kwargs))

    def object_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._send(lambda: self._raw.object_send(*args, **kwargs))

    def workflow_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[Any]:
        return self._call(lambda: self._raw.workflow_call(*args, **kwargs))

    def workflow_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._send(lambda: self._raw.workflow_send(*args, **kwargs))

    def generic_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[bytes]:
        return self._call(lambda: self._raw.generic_call(*args, **kwargs))

    def generic_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._send(lambda: self._raw.generic_send(*args, **kwargs))

    def scope(self, scope: str) -> ScopedContext:
        return _DurableScope(self, self._raw.scope(scope))

    def cancel_invocation(self, invocation_id: str) -> None:
        self._driver.issue(lambda: self._raw.cancel_invocation(invocation_id))

    def attach_invocation(self, *args: Any, **kwargs: Any) -> RestateDurableFuture[Any]:
        return self._future(lambda: self._raw.attach_invocation(*args, **kwargs))

    # ---- awakeables, signals, promises

    def awakeable(self, *args: Any, **kwargs: Any) -> tuple[str, RestateDurableFuture[Any]]:
        awakeable_id, future = self._driver.issue(lambda: self._raw.awakeable(*args, **kwargs))
        return awakeable_id, DurableFuture(self._driver, future)

    def resolve_awakeable(self, *args: Any, **kwargs: Any) -> None:
        self._driver.issue(lambda: self._raw.resolve_awakeable(*args, **kwargs))

    def reject_awakeable(self, name: str, failure_message: str, failure_code: int = 500) -> None:
        self._driver.issue(lambda: self._raw.reject_awakeable(name, failure_message, failure_code))

    def signal(self, *args: Any, **kwargs: Any) -> RestateDurableFuture[Any]:
        return self._future(lambda: self._raw.signal(*args, **kwargs))

    def resolve_signal(self, *args: Any, **kwargs: Any) -> None:
        self._driver.issue(lambda: self._raw.resolve_signal(*args, **kwargs))

    def reject_signal(self, *args: Any, **kwargs: Any) -> None:
        self._driver.issue(lambda: self._raw.reject_signal(*args, **kwargs))

    def promise(self, *args: Any, **kwargs: Any) -> DurablePromise[Any]:
        return _Promise(self, self._raw.promise(*args, **kwargs))

    # ---- state

    def key(self) -> str:
        return cast(str, self._raw.key())

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        return self._future(lambda: self._raw.get(*args, **kwargs))

    def state_keys(self, entry_name: str | None = None) -> Awaitable[list[str]]:
        return self._future(lambda: self._raw.state_keys(entry_name))

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._driver.issue(lambda: self._raw.set(*args, **kwargs))

    def clear(self, name: str, entry_name: str | None = None) -> None:
        self._driver.issue(lambda: self._raw.clear(name, entry_name))

    def clear_all(self, entry_name: str | None = None) -> None:
        self._driver.issue(lambda: self._raw.clear_all(entry_name))

    # ---- facts

    def request(self) -> Request:
        return cast(Request, self._raw.request())

    def random(self) -> Random:
        return cast(Random, self._raw.random())

    def uuid(self) -> UUID:
        return cast(UUID, self._raw.uuid())


class _Promise(DurablePromise[Any]):
    """A workflow's promise, awaited on the deterministic loop."""

    def __init__(self, context: DurableContext, raw: DurablePromise[Any]) -> None:
        super().__init__(raw.name, raw.serde)
        self._context = context
        self._raw = raw

    def value(self) -> RestateDurableFuture[Any]:
        return self._context._future(self._raw.value)

    def resolve(self, value: Any) -> Awaitable[None]:
        return self._context._future(lambda: cast(Any, self._raw.resolve(value)))

    def reject(self, message: str, code: int = 500) -> Awaitable[None]:
        return self._context._future(lambda: cast(Any, self._raw.reject(message, code)))

    def peek(self) -> Awaitable[Any]:
        return self._context._future(lambda: cast(Any, self._raw.peek()))

    def __await__(self) -> Any:
        return self.value().__await__()


class _DurableScope(ScopedContext):
    """Calls within a scope, awaited on the deterministic loop."""

    def __init__(self, context: DurableContext, raw: ScopedContext) -> None:
        self._context = context
        self._raw = raw

    def service_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[Any]:
        return self._context._call(lambda: self._raw.service_call(*args, **kwargs))

    def service_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._context._send(lambda: self._raw.service_send(*args, **kwargs))

    def object_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[Any]:
        return self._context._call(lambda: self._raw.object_call(*args, **kwargs))

    def object_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._context._send(lambda: self._raw.object_send(*args, **kwargs))

    def workflow_call(self, *args: Any, **kwargs: Any) -> RestateDurableCallFuture[Any]:
        return self._context._call(lambda: self._raw.workflow_call(*args, **kwargs))

    def workflow_send(self, *args: Any, **kwargs: Any) -> SendHandle:
        return self._context._send(lambda: self._raw.workflow_send(*args, **kwargs))
