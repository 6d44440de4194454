"""Every handler of the conformance suite. It runs twice beside each engine: as it is, and with
SERVICE_SUFFIX=Replayed and INACTIVITY_TIMEOUT_MS=0, where each await that the journal cannot answer ends the
attempt, so that the rest runs as a replay.

What really happens in a handler is appended to the file of its test (`note`), whatever the journal says.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import restate
from restate import InvocationRetryPolicy, RunOptions, TerminalError
from restate.exceptions import RetryableError
from restate.serde import BytesSerde

SUFFIX = os.environ.get("SERVICE_SUFFIX", "")
NOTES = Path(os.environ["NOTES_DIRECTORY"])
RAW = {
    "accept": "*/*",
    "content_type": "application/octet-stream",
    "input_serde": BytesSerde(),
    "output_serde": BytesSerde(),
}


def ms(number: float) -> timedelta:
    return timedelta(milliseconds=number)


OPTIONS: dict[str, Any] = {
    "invocation_retry_policy": InvocationRetryPolicy(initial_interval=ms(20), max_interval=ms(100)),
}
if timeout_ms := os.environ.get("INACTIVITY_TIMEOUT_MS"):
    OPTIONS["inactivity_timeout"] = ms(int(timeout_ms))


def note(label: str, what: object) -> int:
    """Append a line to the notes of a test; how many are equal to it now."""
    path = NOTES / label
    with path.open("a") as notes:
        notes.write(f"{what}\n")
    return path.read_text().splitlines().count(str(what))


def now() -> float:
    return time.time()


# ---- plain handlers, and how they fail

basics = restate.Service("Basics" + SUFFIX, **OPTIONS)


@basics.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"hello {name}"


@basics.handler()
async def echo(ctx: restate.Context, value: Any) -> Any:
    return value


@basics.handler()
async def add(ctx: restate.Context, numbers: list) -> int:
    return sum(numbers)


@basics.handler()
async def nothing(ctx: restate.Context) -> None:
    return None


@basics.handler(**RAW)
async def raw(ctx: restate.Context, body: bytes) -> bytes:
    return body


@basics.handler(
    accept="text/*", content_type="text/markdown", input_serde=BytesSerde(), output_serde=BytesSerde()
)
async def markdown(ctx: restate.Context, body: bytes) -> bytes:
    return b"# " + body


@basics.handler()
async def letters(ctx: restate.Context, count: int) -> str:
    return "x" * count


@basics.handler()
async def request(ctx: restate.Context) -> dict:
    said = ctx.request()
    return {
        "id": said.id,
        "headers": said.headers,
        "body": said.body.decode(),
        "idempotency_key": said.idempotency_key,
    }


@basics.handler()
async def refuse(ctx: restate.Context, failure: dict) -> None:
    raise TerminalError(failure["message"], status_code=failure["code"], metadata=failure.get("metadata"))


@basics.handler()
async def fail_twice(ctx: restate.Context, label: str) -> int:
    attempts = note(label, "attempt")
    if attempts < 3:
        raise ValueError("not yet")
    return attempts


@basics.handler()
async def fail_after_a_step(ctx: restate.Context, label: str) -> list:
    step = await ctx.run_typed("step", note, RunOptions(), label, "step")
    if note(label, "attempt") < 3:
        raise ValueError("not yet")
    return [step, note(label, "attempt") - 1]


@basics.handler(
    invocation_retry_policy=InvocationRetryPolicy(
        initial_interval=ms(10), max_attempts=3, on_max_attempts="kill"
    )
)
async def fail_until_killed(ctx: restate.Context, label: str) -> None:
    note(label, "attempt")
    raise ValueError("for good")


@basics.handler(
    invocation_retry_policy=InvocationRetryPolicy(
        initial_interval=ms(10), max_attempts=2, on_max_attempts="pause"
    )
)
async def fail_until_mended(ctx: restate.Context, label: str) -> str:
    note(label, "attempt")
    if not (NOTES / f"{label}-mended").exists():
        raise ValueError("the database is down")
    return "mended"


@basics.handler()
async def fail_with_a_delay(ctx: restate.Context, label: str) -> float:
    note(label, time.time())
    first = float((NOTES / label).read_text().splitlines()[0])
    if time.time() - first < 0.2:
        raise RetryableError("later", retry_after=ms(300))
    return time.time() - first


@basics.handler()
async def change_course(ctx: restate.Context, label: str) -> str:
    """Another command on each attempt: the journal does not match."""
    if note(label, "attempt") == 1:
        await ctx.run_typed("first", lambda: 1)
        raise ValueError("the code is changed now")
    if not (NOTES / f"{label}-mended").exists():
        await ctx.sleep(ms(1))
        return "never"
    return f"{await ctx.run_typed('first', lambda: 2)}"


@basics.handler()
async def same_randomness(ctx: restate.Context, label: str) -> list:
    drawn = [ctx.random().random(), str(ctx.uuid()), ctx.random().randint(0, 10**9), await ctx.time()]
    note(label, drawn)
    if len((NOTES / label).read_text().splitlines()) < 3:
        raise ValueError("once more")
    return drawn


@basics.handler(ingress_private=True)
async def secret(ctx: restate.Context) -> str:
    return "for handlers only"


@basics.handler()
async def tell_secret(ctx: restate.Context) -> str:
    return await ctx.service_call(secret, arg=None)


hidden = restate.Service("Hidden" + SUFFIX, ingress_private=True, **OPTIONS)


@hidden.handler()
async def peek(ctx: restate.Context) -> str:
    return "hidden"


# ---- runs

steps = restate.Service("Steps" + SUFFIX, **OPTIONS)


@steps.handler()
async def in_order(ctx: restate.Context, asked: dict) -> list:
    return [
        await ctx.run_typed(f"step {n}", note, RunOptions(), asked["label"], n) for n in range(asked["count"])
    ]


@steps.handler()
async def together(ctx: restate.Context, asked: dict) -> list:
    runs = [ctx.run_typed(f"step {n}", note, RunOptions(), asked["label"], n) for n in range(asked["count"])]
    await restate.gather(*runs)
    return [await run for run in runs]


@steps.handler()
async def values(ctx: restate.Context) -> list:
    """One value of each kind through the journal."""
    given: list[Any] = [None, True, 1.5, "ünï ✓", {"a": [1, {"b": None}]}, []]
    return [await ctx.run_typed(f"value {n}", lambda v=value: v) for n, value in enumerate(given)]


@steps.handler()
async def large(ctx: restate.Context, bytes_: int) -> int:
    return len(await ctx.run_typed("large", lambda: "x" * bytes_))


@steps.handler()
async def refused(ctx: restate.Context, label: str) -> str:
    def refuse() -> None:
        note(label, "ran")
        raise TerminalError("no seats", status_code=422)

    try:
        await ctx.run_typed("book", refuse)
    except TerminalError as error:
        return f"{error.status_code} {error.message}"
    return "booked"


@steps.handler()
async def tried_again(ctx: restate.Context, label: str) -> int:
    def flaky() -> int:
        tries = note(label, "ran")
        if tries < 3:
            raise ConnectionError("reset")
        return tries

    return await ctx.run_typed("flaky", flaky, RunOptions(max_attempts=5, initial_retry_interval=ms(10)))


@steps.handler()
async def given_up(ctx: restate.Context, label: str) -> list:
    def broken() -> None:
        note(label, "ran")
        raise ConnectionError("reset")

    try:
        await ctx.run_typed("broken", broken, RunOptions(max_attempts=3, initial_retry_interval=ms(5)))
    except TerminalError as error:
        return [error.status_code, error.message]
    return []


@steps.handler()
async def slow_steps(ctx: restate.Context, asked: dict) -> list:
    """Steps that take time, to be killed in the middle of."""

    def slow(n: int) -> int:
        time.sleep(asked["step_ms"] / 1000)
        note(asked["label"], n)
        return n

    return [await ctx.run_typed(f"step {n}", slow, RunOptions(), n) for n in range(asked["count"])]


# ---- time, and waiting for several things

waits = restate.Service("Waits" + SUFFIX, **OPTIONS)


@waits.handler()
async def nap(ctx: restate.Context, duration_ms: int) -> float:
    before = await ctx.run_typed("before", now)
    await ctx.sleep(ms(duration_ms))
    return time.time() - before


@waits.handler()
async def nap_with_notes(ctx: restate.Context, asked: dict) -> str:
    await ctx.run_typed("asleep", note, RunOptions(), asked["label"], "asleep")
    await ctx.sleep(ms(asked["duration_ms"]))
    note(asked["label"], "awake")
    return "rested"


@waits.handler()
async def sleeps_together(ctx: restate.Context, count: int) -> float:
    before = await ctx.run_typed("before", now)
    await restate.gather(*(ctx.sleep(ms(200)) for _ in range(count)))
    return time.time() - before


@waits.handler()
async def first_of(ctx: restate.Context, naps_ms: dict) -> str:
    return (await restate.select(**{name: ctx.sleep(ms(nap)) for name, nap in naps_ms.items()}))[0]


@waits.handler()
async def in_order_of_completion(ctx: restate.Context, naps_ms: list) -> list:
    naps = {ctx.sleep(ms(nap)): nap for nap in naps_ms}
    return [naps[done] async for done in restate.as_completed(*naps)]


@waits.handler()
async def completed_and_not(ctx: restate.Context, naps_ms: list) -> list:
    done, pending = await restate.wait_completed(*(ctx.sleep(ms(nap)) for nap in naps_ms))
    return [len(done), len(pending)]


@waits.handler()
async def answer_or_timeout(ctx: restate.Context, asked: dict) -> list:
    name, answer = ctx.awakeable(type_hint=str)
    await ctx.run_typed("name", note, RunOptions(), asked["label"], name)
    return await restate.select(answer=answer, timeout=ctx.sleep(ms(asked["timeout_ms"])))


@waits.handler()
async def call_or_sleep(ctx: restate.Context, naps_ms: list) -> list:
    call = ctx.service_call(nap, arg=naps_ms[0])
    winner, _ = await restate.select(call=call, sleep=ctx.sleep(ms(naps_ms[1])))
    run = await ctx.run_typed("afterwards", lambda: "ran")
    return [winner, run]


@waits.handler()
async def all_kinds(ctx: restate.Context, label: str) -> list:
    """A run, a call, a sleep and an awakeable, all at once."""
    name, answer = ctx.awakeable(type_hint=str)
    futures = {
        "run": ctx.run_typed("run", note, RunOptions(), label, "run"),
        "call": ctx.service_call(greet, arg="Ada"),
        "sleep": ctx.sleep(ms(20)),
        "answer": answer,
    }
    ctx.resolve_awakeable(name, "yes")
    await restate.gather(*futures.values())
    return [await future for future in futures.values()]


# ---- calls

calls = restate.Service("Calls" + SUFFIX, **OPTIONS)


@calls.handler()
async def twice(ctx: restate.Context, numbers: list) -> int:
    once = await ctx.service_call(add, arg=numbers)
    return await ctx.service_call(add, arg=[once, once])


@calls.handler()
async def fan_out(ctx: restate.Context, count: int) -> list:
    pending = [ctx.service_call(greet, arg=str(n)) for n in range(count)]
    await restate.gather(*pending)
    return [await call for call in pending]


@calls.handler()
async def catch(ctx: restate.Context, failure: dict) -> list:
    try:
        await ctx.service_call(refuse, arg=failure)
    except TerminalError as error:
        return [error.status_code, error.message, error.metadata]
    return []


@calls.handler()
async def pass_on(ctx: restate.Context, failure: dict) -> None:
    await ctx.service_call(refuse, arg=failure)


@calls.handler()
async def call_any(ctx: restate.Context, asked: dict) -> str:
    body = asked.get("body", "").encode()
    options = {name: asked[name] for name in ("key", "headers", "idempotency_key") if name in asked}
    return (await ctx.generic_call(asked["service"], asked["handler"], body, **options)).decode()


@calls.handler()
async def call_twice_with_a_key(ctx: restate.Context, label: str) -> list:
    first = ctx.service_call(append, arg=label, idempotency_key=label)
    second = ctx.service_call(append, arg=label, idempotency_key=label)
    ids = [await first.invocation_id(), await second.invocation_id()]
    return [ids[0] == ids[1], await first, await second]


@calls.handler()
async def append(ctx: restate.Context, label: str) -> int:
    return note(label, "appended")


@calls.handler()
async def send(ctx: restate.Context, asked: dict) -> str:
    delay = ms(asked["delay_ms"]) if "delay_ms" in asked else None
    return await ctx.service_send(append, arg=asked["label"], send_delay=delay).invocation_id()


@calls.handler()
async def send_and_attach(ctx: restate.Context, label: str) -> list:
    handle = ctx.service_send(append, arg=label)
    invocation_id = await handle.invocation_id()
    return [invocation_id, await ctx.attach_invocation(invocation_id, type_hint=int)]


@calls.handler()
async def send_in_order(ctx: restate.Context, asked: dict) -> None:
    for n in range(asked["count"]):
        ctx.object_send(remember, key=asked["key"], arg=n)


@calls.handler()
async def call_slow_steps(ctx: restate.Context, asked: dict) -> list:
    return await ctx.service_call(slow_steps, arg=asked)


@calls.handler()
async def attach_to(ctx: restate.Context, invocation_id: str) -> Any:
    return await ctx.attach_invocation(invocation_id, type_hint=object)


# ---- awakeables, signals, cancellation

signals = restate.Service("Signals" + SUFFIX, **OPTIONS)


@signals.handler()
async def wait_for_awakeable(ctx: restate.Context, label: str) -> Any:
    name, answer = ctx.awakeable(type_hint=object)
    await ctx.run_typed("name", note, RunOptions(), label, name)
    try:
        return await answer
    except TerminalError as error:
        return [error.status_code, error.message]


@signals.handler()
async def wait_uncaught(ctx: restate.Context, label: str) -> Any:
    name, answer = ctx.awakeable(type_hint=object)
    await ctx.run_typed("name", note, RunOptions(), label, name)
    return await answer


@signals.handler()
async def resolve(ctx: restate.Context, asked: dict) -> None:
    ctx.resolve_awakeable(asked["name"], asked["value"])


@signals.handler()
async def reject(ctx: restate.Context, asked: dict) -> None:
    ctx.reject_awakeable(asked["name"], asked["message"], asked["code"])


@signals.handler()
async def wait_for_signals(ctx: restate.Context, names: list) -> list:
    """The results of these named signals, waited for in this order."""
    results: list[Any] = []
    for name in names:
        try:
            results.append(await ctx.signal(name, type_hint=object))
        except TerminalError as error:
            results.append([error.status_code, error.message])
    return results


@signals.handler()
async def send_signal(ctx: restate.Context, asked: dict) -> None:
    if "failure" in asked:
        ctx.reject_signal(asked["id"], asked["name"], asked["failure"], 418)
    else:
        ctx.resolve_signal(asked["id"], asked["name"], asked["value"])


@signals.handler()
async def wait_until_cancelled(ctx: restate.Context, label: str) -> str:
    try:
        await ctx.run_typed("begin", note, RunOptions(), label, "waiting")
        await ctx.sleep(timedelta(hours=1))
    except TerminalError as error:
        await ctx.run_typed("undo", note, RunOptions(), label, f"undone {error.status_code}")
        raise
    return "never"


@signals.handler()
async def wait_in_a_child(ctx: restate.Context, label: str) -> str:
    try:
        await ctx.service_call(wait_until_cancelled, arg=label)
    except TerminalError:
        note(label, "parent saw it")
        raise
    return "never"


@signals.handler()
async def go_on_when_cancelled(ctx: restate.Context, label: str) -> str:
    try:
        await ctx.run_typed("begin", note, RunOptions(), label, "waiting")
        await ctx.sleep(timedelta(hours=1))
    except TerminalError as error:
        await ctx.sleep(ms(10))
        return f"kept going after {error.status_code}"
    return "never"


@signals.handler()
async def cancel(ctx: restate.Context, invocation_id: str) -> None:
    ctx.cancel_invocation(invocation_id)


@signals.handler()
async def cancel_a_child(ctx: restate.Context, label: str) -> list:
    child = ctx.service_call(wait_until_cancelled, arg=label)
    await ctx.sleep(ms(100))
    await child.cancel_invocation()
    try:
        await child
    except TerminalError as error:
        return [error.status_code, error.message]
    return []


# ---- virtual objects

STATE_OPTIONS = {"Eager": True, "Lazy": False}


def state_object(name: str, preload: bool) -> restate.VirtualObject:
    """The same object twice: state sent along with each attempt, and state that is asked for."""
    memory = restate.VirtualObject(name + SUFFIX, state_preload=preload, **OPTIONS)

    @memory.handler("set")
    async def set_(ctx: restate.ObjectContext, values: dict) -> list:
        for key, value in values.items():
            ctx.set(key, value)
        return sorted(await ctx.state_keys())

    @memory.handler("get", kind="shared")
    async def get(ctx: restate.ObjectSharedContext, name: str) -> Any:
        return [await ctx.get(name, type_hint=object)]

    @memory.handler("keys", kind="shared")
    async def keys(ctx: restate.ObjectSharedContext) -> list:
        return sorted(await ctx.state_keys())

    @memory.handler("change")
    async def change(ctx: restate.ObjectContext) -> list:
        """Read, write and read again, within one attempt."""
        seen = [await ctx.get("a", type_hint=object)]
        ctx.set("a", 1)
        seen.append(await ctx.get("a", type_hint=object))
        ctx.clear("a")
        seen.append(await ctx.get("a", type_hint=object))
        ctx.set("b", 2)
        return seen

    @memory.handler("clear")
    async def clear(ctx: restate.ObjectContext, name: str) -> None:
        ctx.clear(name)

    @memory.handler("clear_all")
    async def clear_all(ctx: restate.ObjectContext) -> None:
        ctx.clear_all()

    @memory.handler("increment")
    async def increment(ctx: restate.ObjectContext) -> int:
        count = (await ctx.get("count", type_hint=int) or 0) + 1
        ctx.set("count", count)
        return count

    @memory.handler("set_then_fail")
    async def set_then_fail(ctx: restate.ObjectContext, label: str) -> int:
        count = (await ctx.get("count", type_hint=int) or 0) + 1
        ctx.set("count", count)
        await ctx.run_typed("written", lambda: None)
        if note(label, "attempt") < 3:
            raise ValueError("not yet")
        return count

    @memory.handler("set_then_refuse")
    async def set_then_refuse(ctx: restate.ObjectContext) -> None:
        ctx.set("count", 7)
        raise TerminalError("refused", status_code=400)

    @memory.handler("fill")
    async def fill(ctx: restate.ObjectContext, asked: dict) -> int:
        for n in range(asked["count"]):
            ctx.set(f"value {n}", "x" * asked["bytes"])
        return len(await ctx.get("value 0", type_hint=str) or "")

    @memory.handler("size", kind="shared")
    async def size(ctx: restate.ObjectSharedContext) -> int:
        return sum([len(await ctx.get(name, type_hint=str) or "") for name in await ctx.state_keys()])

    @memory.handler("my_key", kind="shared")
    async def my_key(ctx: restate.ObjectSharedContext) -> str:
        return ctx.key()

    return memory


queue = restate.VirtualObject("Queue" + SUFFIX, **OPTIONS)


@queue.handler()
async def remember(ctx: restate.ObjectContext, what: Any) -> None:
    ctx.set("all", [*(await ctx.get("all", type_hint=list) or []), what])


@queue.handler(kind="shared")
async def remembered(ctx: restate.ObjectSharedContext) -> list:
    return await ctx.get("all", type_hint=list) or []


@queue.handler()
async def hold(ctx: restate.ObjectContext, label: str) -> Any:
    """Keeps the object until the awakeable in the notes is resolved."""
    ctx.set("held", True)
    await ctx.run_typed("recorded", lambda: None)  # and with it what was set before
    name, answer = ctx.awakeable(type_hint=object)
    await ctx.run_typed("name", note, RunOptions(), label, name)
    return await answer


@queue.handler(kind="shared")
async def held(ctx: restate.ObjectSharedContext) -> Any:
    return await ctx.get("held", type_hint=bool)


@queue.handler()
async def enter_and_leave(ctx: restate.ObjectContext, label: str) -> None:
    await ctx.run_typed("enter", note, RunOptions(), label, "enter")
    await ctx.sleep(ms(5))
    await ctx.run_typed("leave", note, RunOptions(), label, "leave")


@queue.handler()
async def call_other_key(ctx: restate.ObjectContext, other: str) -> list:
    await ctx.object_call(remember, key=other, arg=f"from {ctx.key()}")
    return await ctx.object_call(remembered, key=other, arg=None)


# ---- workflows

signup = restate.Workflow("Signup" + SUFFIX, **OPTIONS)


@signup.main()
async def run(ctx: restate.WorkflowContext, asked: dict) -> str:
    ctx.set("name", asked["name"])
    await ctx.run_typed("recorded", lambda: None)  # and with it what was set before
    note(asked["label"], "run")
    link = await ctx.promise("click", type_hint=str).value()
    ctx.set("state", "verified")
    return f"{asked['name']} clicked {link}"


@signup.handler()
async def click(ctx: restate.WorkflowSharedContext, link: str) -> None:
    await ctx.promise("click", type_hint=str).resolve(link)


@signup.handler("reject")
async def reject_promise(ctx: restate.WorkflowSharedContext, reason: str) -> None:
    await ctx.promise("click", type_hint=str).reject(reason, 422)


@signup.handler("peek")
async def peek_promise(ctx: restate.WorkflowSharedContext) -> Any:
    return [await ctx.promise("click", type_hint=str).peek()]


@signup.handler("await")
async def await_promise(ctx: restate.WorkflowSharedContext) -> str:
    return await ctx.promise("click", type_hint=str).value()


@signup.handler()
async def stored(ctx: restate.WorkflowSharedContext) -> list:
    return [await ctx.get("name", type_hint=str), await ctx.get("state", type_hint=str), ctx.key()]


parent = restate.Service("Parent" + SUFFIX, **OPTIONS)


@parent.handler()
async def start_signup(ctx: restate.Context, asked: dict) -> str:
    """Starts the workflow, clicks, and has its result."""
    running = ctx.workflow_call(run, key=asked["label"], arg=asked)
    await ctx.workflow_call(click, key=asked["label"], arg="https://parent")
    return await running


app = restate.app(
    [
        basics,
        hidden,
        steps,
        waits,
        calls,
        signals,
        queue,
        signup,
        parent,
        *(state_object(name, preload) for name, preload in STATE_OPTIONS.items()),
    ]
)
