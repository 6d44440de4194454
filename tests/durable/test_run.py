"""Durable code as users write it, on the real SDK, against a server that the test controls."""

from __future__ import annotations

import asyncio
import gc
import logging
from datetime import timedelta
from typing import Any

import pytest
import restate
from journal_server import AttemptFailed, JournalServer, serve, value_of

from perdure import durable
from perdure.durable import DurableContext, step
from perdure.errors import AttemptEnded, NotDurable
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio


async def hello() -> str:
    return "hello"


async def test_a_step_runs_once_and_its_result_is_replayed() -> None:
    ran: list[str] = []

    async def effect(name: str) -> str:
        ran.append(name)
        return name.upper()

    async def main() -> list[str]:
        return [await step(name, effect, name) for name in ("one", "two", "three")]

    server = serve(main, suspend_always=True)
    assert value_of(await server.run()) == ["ONE", "TWO", "THREE"]
    assert server.commands() == ["Input", "Run one", "Run two", "Run three", "Output"]
    assert server.attempts > 3
    assert ran == ["one", "two", "three"]


async def test_gathered_steps_run_at_the_same_time() -> None:
    running, most = 0, 0

    async def effect() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    async def main() -> None:
        await asyncio.gather(*(step(f"s{n}", effect) for n in range(5)))

    await serve(main).run()
    assert most == 5


async def test_a_step_sees_the_contextvars_of_the_code_that_asked_for_it() -> None:
    import contextvars

    user = contextvars.ContextVar("user", default="nobody")

    async def who() -> str:
        return user.get()

    async def as_user(name: str) -> str:
        user.set(name)
        return await step(f"async {name}", who) + await step(f"thread {name}", user.get)

    async def main() -> list[str]:
        return list(await asyncio.gather(as_user("ann"), as_user("bob")))

    assert value_of(await serve(main).run()) == ["annann", "bobbob"]


async def test_asyncio_sleep_is_a_durable_sleep() -> None:
    async def main() -> str:
        await asyncio.sleep(3600)
        return "slept"

    server = serve(main, suspend_always=True)
    assert value_of(await server.run()) == "slept"
    assert server.commands() == ["Input", "Sleep", "Output"]
    assert server.attempts == 2


async def test_a_timeout_cancels_the_step_that_took_too_long() -> None:
    cancelled: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append("slow")
            raise

    async def main() -> str:
        try:
            async with asyncio.timeout(5):
                await step("slow", slow)
        except TimeoutError:
            return await step("instead", hello)
        return "in time"

    server = serve(main)
    assert value_of(await server.run()) == "hello"
    assert cancelled == ["slow"]
    assert server.commands() == ["Input", "Sleep", "Run slow", "Run instead", "Output"]


async def test_a_timeout_that_did_not_fire_is_not_waited_for() -> None:
    async def main() -> str:
        async with asyncio.timeout(3600):
            return await step("quick", hello)

    server = serve(main)
    assert value_of(await server.run()) == "hello"
    assert [outcome.name for outcome in server.waiting] == ["sleep:1"], "the run ended before the timer"


async def test_the_context_gives_all_that_a_handler_has() -> None:
    async def main(ctx: DurableContext) -> dict[str, Any]:
        ctx.set("k", 1)
        slept = ctx.sleep(timedelta(seconds=1))
        run = ctx.run_typed("r", lambda: 7)
        await asyncio.gather(slept, run)
        assert durable.current() is ctx
        call = ctx.generic_call("Other", "handler", b"ping")
        return {
            "run": await run,
            "again": await run,
            "call": (await call).decode(),
            "callee": await call.invocation_id(),
            "key": ctx.key(),
            "uuid": str(ctx.uuid()),
            "id": ctx.request().id,
            "state": await ctx.get("absent"),
        }

    first = serve(main)
    value = value_of(await first.run())
    assert value == value_of(await serve(main, suspend_always=True).run())
    assert value["run"] == value["again"] == 7
    assert value["call"] == "ping"
    assert value["callee"] == "inv_2"
    assert first.commands() == [
        *("Input", "SetState", "Sleep", "Run r", "Call", "GetEagerState", "Output"),
    ]


async def test_code_that_nothing_can_wake_ends_the_invocation_with_its_name_and_line() -> None:
    async def waits_for_an_event() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.gather(step("fine", hello), waits_for_an_event())

    server = serve(main)
    output = await server.run()
    assert output.failure.code == 500
    assert server.commands() == ["Input", "Run fine", "Output"], "reported when nothing goes on any more"
    for words in ("waits_for_an_event", f"{__file__}:", "asyncio.Event().wait()", "await step("):
        assert words in output.failure.message


async def test_a_cancelled_timer_does_not_put_off_the_news_that_nothing_goes_on() -> None:
    async def main() -> None:
        async with asyncio.timeout(3600):
            await step("quick", hello)
        await asyncio.Event().wait()

    server = serve(main)
    output = await server.run()
    assert "Stuck" in output.failure.message
    assert server.entries(MessageType.SLEEP_COMPLETION) == [], "an hour too early for that"


async def test_a_task_that_outlives_its_run_and_does_not_end_when_cancelled_is_named() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    async def main() -> None:
        main.task = asyncio.create_task(stubborn())  # type: ignore[attr-defined]
        await step("fine", hello)

    message = (await serve(main).run()).failure.message
    assert "stubborn" in message
    assert "wind_up" not in message, "that only waits for it"


async def test_io_on_the_loop_ends_the_invocation_though_the_code_catches_everything() -> None:
    async def fetches() -> str:
        try:
            connection = await asyncio.open_connection("127.0.0.1", 9)
        except Exception as error:
            await step("report", hello)
            return str(error)
        return str(connection)

    server = serve(fetches)
    output = await server.run()
    assert output.failure.code == 500
    assert "fetches" in output.failure.message
    assert (
        'connection = await step("fetches", lambda: asyncio.open_connection("127.0.0.1", 9))'
        in output.failure.message
    )
    assert server.commands() == ["Input", "Output"]


async def test_a_future_of_the_real_loop_is_refused() -> None:
    foreign = asyncio.get_running_loop().create_future()

    async def waits_for_the_real_loop() -> None:
        await foreign

    output = await serve(waits_for_the_real_loop).run()
    assert "waits_for_the_real_loop" in output.failure.message
    assert "another event loop" in output.failure.message


async def test_the_handlers_own_context_is_refused_on_the_loop() -> None:
    async def main(ctx: DurableContext) -> None:
        await ctx._raw.run_typed("raw", lambda: 1)

    output = await serve(main).run()
    assert "NotDurable" in output.failure.message
    assert "durable.current()" in output.failure.message


async def test_waking_the_loop_from_a_step_is_refused() -> None:
    async def main() -> None:
        event = asyncio.Event()

        async def sets() -> None:
            event.set()

        await asyncio.gather(event.wait(), step("sets", sets))

    output = await serve(main).run()
    assert "NotDurable" in output.failure.message
    assert "sets" in output.failure.message


async def test_two_runs_at_once_in_one_handler_are_refused() -> None:
    service = restate.Service("Twice")

    @service.handler()
    async def both(ctx: restate.Context) -> list[str]:
        try:
            await asyncio.gather(durable.run(ctx, one), durable.run(ctx, one))
        except NotDurable as error:
            raise restate.TerminalError(str(error)) from error
        return []

    async def one() -> str:
        return await step("one", hello)

    server = JournalServer(restate.app([service]), "/invoke/Twice/both", request=b"")
    assert "two durable runs at once" in (await server.run()).failure.message


async def test_runs_after_another_and_runs_within_a_run() -> None:
    service = restate.Service("Twice")

    @service.handler()
    async def both(ctx: restate.Context) -> list[str]:
        return [await durable.run(ctx, one), await durable.run(ctx, within)]

    async def one() -> str:
        return await step("one", hello)

    async def within() -> str:
        context = durable.current()
        assert context is not None
        return await durable.run(context, one)

    server = JournalServer(restate.app([service]), "/invoke/Twice/both", request=b"", suspend_always=True)
    assert value_of(await server.run()) == ["hello", "hello"]


async def test_a_cancelled_invocation_runs_its_clean_up_and_ends_cancelled() -> None:
    async def main() -> str:
        try:
            await step("hold", hello)
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await step("release", hello)
            raise
        return "kept"

    server = serve(main)
    server.choose = lambda names: next(
        at for at, name in enumerate(names) if name != "cancel" or "Sleep" in server.commands()
    )
    server.cancel()
    server.waiting.reverse()
    output = await server.run()
    assert (output.failure.code, output.failure.message) == (409, "cancelled")
    assert server.commands() == ["Input", "Run hold", "Sleep", "Run release", "Output"]


async def test_code_may_outlive_a_cancel() -> None:
    async def main() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return await step("instead", hello)
        return "slept"

    server = serve(main)
    server.choose = lambda names: names.index("cancel") if "cancel" in names else 0
    server.cancel()
    assert value_of(await server.run()) == "hello"


async def test_what_is_left_running_at_the_end_is_cancelled_as_asyncio_does() -> None:
    async def background() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await step("clean up", hello)

    async def main() -> str:
        main.task = asyncio.create_task(background())  # type: ignore[attr-defined]
        return await step("work", hello)

    server = serve(main)
    assert value_of(await server.run()) == "hello"
    assert server.commands() == ["Input", "Run work", "Sleep", "Run clean up", "Output"]


async def test_an_attempt_that_ends_is_torn_down_in_silence(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    after_the_end: list[str] = []
    released: list[str] = []

    async def child(name: str) -> None:
        try:
            await step(f"first {name}", hello)
            await asyncio.sleep(60)
        except Exception:
            after_the_end.append("except Exception")
        finally:
            await step(f"release {name}", hello)
            released.append(name)

    async def main() -> str:
        async with asyncio.TaskGroup() as group:
            for name in "ab":
                group.create_task(child(name))
        return "done"

    server = serve(main, suspend_always=True, break_after={2, 3, 4, 5, 6})
    with caplog.at_level(logging.DEBUG, "asyncio"):
        assert value_of(await server.run()) == "done"
        gc.collect()
    assert server.attempts > 6
    assert after_the_end == []
    assert set(released) == {"a", "b"}
    assert sorted(server.commands()[-3:-1]) == ["Run release a", "Run release b"]
    assert server.commands()[-1] == "Output"
    assert [r.message for r in caplog.records if "selector" not in r.message] == []
    assert [str(w.message) for w in recwarn] == []


async def test_a_finally_block_of_a_torn_down_attempt_can_do_nothing_durable() -> None:
    """CPython frees a suspended coroutine by resuming it once; so far, and no further."""
    seen: list[str] = []

    async def never_called() -> None:
        seen.append("a step went through")

    async def main() -> str:
        context = durable.current()
        assert context is not None
        try:
            await asyncio.sleep(60)
        except BaseException as error:
            seen.append(type(error).__name__)
            for act in (
                lambda: context.set("k", 1),
                lambda: context.sleep(timedelta(seconds=1)),
                lambda: asyncio.create_task(never_called()),
                lambda: asyncio.gather(never_called(), never_called()),
            ):
                try:
                    act()
                except AttemptEnded:
                    seen.append("refused")
            asyncio.get_running_loop().call_soon(seen.append, "a callback ran")
            await step("after the end", never_called)
            seen.append("the step was passed")
        return "slept"

    server = serve(main, suspend_always=True)
    await server.attempt()
    assert seen == ["AttemptEnded", *["refused"] * 4]
    assert value_of(await server.run()) == "slept"
    assert server.commands() == ["Input", "Sleep", "Output"]


async def test_a_finally_block_that_awaits_twice_is_ended_in_its_own_contextvars() -> None:
    import contextvars

    span: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")
    ended: list[str] = []

    async def traced() -> None:
        token = span.set("open")
        try:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.gather(asyncio.sleep(1), return_exceptions=True)
        finally:
            ended.append(span.get())
            span.reset(token)

    async def main() -> None:
        await asyncio.gather(traced(), traced())

    server = serve(main, suspend_always=True)
    await server.attempt()
    gc.collect()
    assert ended == ["open", "open"]


async def test_a_journal_of_other_code_ends_the_attempt_and_is_not_caught() -> None:
    name = "before"
    caught: list[BaseException] = []

    async def main() -> str:
        try:
            await step(name, hello)
            await asyncio.sleep(60)
        except Exception as error:
            caught.append(error)
            await asyncio.sleep(0)
            return "swallowed"
        return "done"

    server = serve(main, suspend_always=True)
    await server.attempt()
    name = "after"
    with pytest.raises((AttemptFailed, AssertionError)):
        await server.attempt()
    assert "Output" not in server.commands()
