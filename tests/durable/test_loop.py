"""The loop by itself: what runs, in which order, and what is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from perdure.durable.loop import REFUSED, DeterministicLoop
from perdure.errors import NotDurable


class Clock:
    """Fires the timers of a loop when a test says so."""

    def __init__(self) -> None:
        self.loop = DeterministicLoop(self, seed=1)  # type: ignore[abstract]
        self.timers: list[tuple[asyncio.TimerHandle, int]] = []

    def start_timer(self, handle: asyncio.TimerHandle, delay_ms: int) -> None:
        self.timers.append((handle, delay_ms))

    def start(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        tasks: list[asyncio.Task[Any]] = []
        self.loop.run_until_idle(lambda: tasks.append(self.loop.create_task(main())))
        return tasks[0]

    def fire(self, at: int = 0) -> None:
        handle, _ = self.timers.pop(at)
        self.loop.run_until_idle(lambda: self.loop.fire(handle))


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.loop.abandon()


def test_ready_callbacks_run_first_in_first_out(clock: Clock) -> None:
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(seen.append, 1)
        loop.call_soon(lambda: loop.call_soon(seen.append, 4))
        loop.call_soon(seen.append, 2)
        loop.call_soon_threadsafe(seen.append, 3)
        await asyncio.sleep(0)

    clock.start(main)
    assert seen == [1, 2, 3, 4]


def test_the_current_task_and_loop_are_right_within_and_restored_without(clock: Clock) -> None:
    seen: list[Any] = []

    async def main() -> None:
        seen.append((asyncio.current_task(), asyncio.get_running_loop(), asyncio.all_tasks()))

    async def outer() -> None:
        mine = asyncio.current_task()
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: done.set_result(clock.start(main)))
        task = await done
        assert seen == [(task, clock.loop, {task})]
        assert asyncio.current_task() is mine
        assert isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)

    asyncio.run(outer())


def test_time_moves_only_when_a_timer_fires_and_never_back(clock: Clock) -> None:
    seen: list[float] = []

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(asyncio.get_running_loop().time())

    async def main() -> None:
        await asyncio.gather(nap(5), nap(2))

    clock.start(main)
    assert [delay_ms for _, delay_ms in clock.timers] == [5000, 2000]
    clock.fire(0)
    clock.fire(0)
    assert seen == [5.0, 5.0]


def test_a_timer_in_the_past_or_of_no_length_costs_no_sleep(clock: Clock) -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_later(0, done.set_result, "now")
        loop.call_at(-1, lambda: None)
        return str(await done)

    assert clock.start(main).result() == "now"
    assert clock.timers == []


def test_a_sleep_of_less_than_a_millisecond_is_one_millisecond(clock: Clock) -> None:
    clock.start(lambda: asyncio.sleep(0.0001))
    assert [delay_ms for _, delay_ms in clock.timers] == [1]


def test_a_cancelled_timer_runs_nothing(clock: Clock) -> None:
    async def main() -> str:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        return "in time"

    assert clock.start(main).result() == "in time"
    handle, _ = clock.timers[0]
    assert handle.cancelled()
    clock.fire()


def test_tasks_hash_alike_on_every_replay() -> None:
    script = """
import asyncio, sys
sys.path.insert(0, "tests/durable")
from perdure.durable.loop import DeterministicLoop
class NoTimers:
    def start_timer(self, handle, delay_ms): ...
async def leaf(n): return n
async def main():
    padding = [bytearray(n) for n in range(int(sys.argv[1]))]
    tasks = {asyncio.create_task(leaf(n)) for n in range(40)} | {asyncio.get_running_loop().create_future()}
    print([t.get_coro().cr_frame.f_locals["n"] for t in tasks if isinstance(t, asyncio.Task)])
loop = DeterministicLoop(NoTimers(), seed=99)
loop.run_until_idle(lambda: loop.create_task(main()))
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", script, size], capture_output=True, text=True, check=True
        ).stdout
        for size in ("0", "777")
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith("[")


@pytest.mark.parametrize("method", sorted(REFUSED))
def test_everything_that_does_io_is_refused(clock: Clock, method: str) -> None:
    async def reaches_out() -> None:
        getattr(asyncio.get_running_loop(), method)(None, None)

    clock.start(reaches_out)
    error = clock.loop.doom
    assert isinstance(error, NotDurable)
    assert "reaches_out" in str(error)
    assert f"{__file__}:" in str(error)
    assert REFUSED[method] in str(error)
    assert "step(" in str(error)


def test_no_io_method_of_asyncio_is_forgotten() -> None:
    ours = set(vars(DeterministicLoop))
    inherited = [
        name
        for name, member in vars(asyncio.AbstractEventLoop).items()
        if callable(member) and not name.startswith("__") and name not in ours
    ]
    assert inherited == []


def test_a_refusal_stops_the_loop_whoever_catches_it(clock: Clock) -> None:
    went_on: list[str] = []

    async def swallows() -> None:
        try:
            await asyncio.to_thread(print)
        except Exception:
            await asyncio.sleep(0)
            went_on.append("swallowed")

    async def sibling() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        went_on.append("sibling")

    async def main() -> None:
        await asyncio.gather(swallows(), sibling())

    clock.start(main)
    assert isinstance(clock.loop.doom, NotDurable)
    assert went_on == []


def test_awaiting_a_future_of_another_loop_is_refused_and_not_thrown_into_the_code(clock: Clock) -> None:
    other = asyncio.new_event_loop()
    foreign = other.create_future()
    caught: list[BaseException] = []

    async def waits_for_foreign() -> None:
        try:
            await foreign
        except Exception as error:
            caught.append(error)

    clock.start(waits_for_foreign)
    assert isinstance(clock.loop.doom, NotDurable)
    assert "waits_for_foreign" in str(clock.loop.doom)
    assert "another event loop" in str(clock.loop.doom)
    assert caught == []
    other.close()


def test_a_wake_up_from_outside_is_refused(clock: Clock) -> None:
    event: list[asyncio.Event] = []

    async def main() -> None:
        event.append(asyncio.Event())
        await event[0].wait()

    clock.start(main)
    with pytest.raises(NotDurable, match="from outside"):
        event[0].set()


def test_a_wake_up_from_a_thread_is_refused(clock: Clock) -> None:
    import threading

    errors: list[BaseException] = []

    def wake() -> None:
        try:
            clock.loop.call_soon_threadsafe(print)
        except NotDurable as error:
            errors.append(error)

    thread = threading.Thread(target=wake, name="worker-7")
    thread.start()
    thread.join()
    assert "worker-7" in str(errors[0])
    assert clock.loop.doom is errors[0]


def test_a_finalizer_that_says_goodbye_by_a_thread_disturbs_nobody(clock: Clock) -> None:
    """As a connection of aiosqlite does, which the collector frees when it likes."""
    import threading

    class Connection:
        def __del__(self) -> None:
            future = asyncio.get_event_loop().create_future()
            thread = threading.Thread(
                target=lambda: future.get_loop().call_soon_threadsafe(future.set_result, 1)
            )
            thread.start()
            thread.join()

    async def main() -> str:
        Connection()
        return "undisturbed"

    assert clock.start(main).result() == "undisturbed"
    assert clock.loop.doom is None


def test_a_finalizer_that_starts_a_task_disturbs_nobody(clock: Clock) -> None:
    """As a client of the OpenAI API does."""
    closed: list[str] = []

    class Client:
        def __del__(self) -> None:
            asyncio.get_running_loop().create_task(self.close())

        async def close(self) -> None:
            closed.append("closed")
            await asyncio.to_thread(print)

    async def main() -> str:
        Client()
        await asyncio.sleep(0)
        return "undisturbed"

    assert clock.start(main).result() == "undisturbed"
    assert closed == []


def test_an_unfinished_async_generator_is_closed_at_the_end_and_not_by_the_collector(clock: Clock) -> None:
    import gc

    seen: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            seen.append("closed")

    async def main() -> None:
        async for _ in numbers():
            break
        gc.collect()
        seen.append("collected")
        await asyncio.get_running_loop().shutdown_asyncgens()

    clock.start(main)
    assert seen == ["collected", "closed"]
