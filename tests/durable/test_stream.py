"""What a run and its steps publish, and what a reader of the stream makes of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from journal_server import serve, value_of
from stream_log import StreamLog

from perdure import publish
from perdure.durable import ONCE, RetryPolicy, step
from perdure.errors import NotDurable

pytestmark = pytest.mark.anyio

EVERY_ERROR = RetryPolicy(attempts_max=3, initial_delay_ms=1, retryable=lambda _error: True)


async def test_the_events_of_a_run_are_kept_once_and_in_order_with_replay_at_every_await() -> None:
    async def main() -> str:
        publish("begun", {"n": 0})
        for n in range(3):
            publish("asked", {"n": n})
            await step("answer", lambda: None)
            publish("answered", {"n": n})
        publish("progress", {"done": 1.0}, stream="progress")
        return "done"

    log = StreamLog()
    server = serve(main, sink=log.sink, suspend_always=True)
    assert value_of(await server.run()) == "done"
    assert server.attempts > 3
    story = [("begun", {"n": 0})]
    for n in range(3):
        story += [("asked", {"n": n}), ("answered", {"n": n})]
    assert log.all() == story
    assert log.all("progress") == [("progress", {"done": 1.0})]


async def test_the_events_of_a_step_are_kept_before_what_follows_from_its_record() -> None:
    async def speak() -> str:
        for word in ("to", "be"):
            publish("text", {"delta": word})
            await asyncio.sleep(0)
        return "to be"

    async def main() -> None:
        publish("message", {"text": await step("speak", speak)})

    log = StreamLog()
    await serve(main, sink=log.sink).run()
    assert log.current() == [
        ("s1", "text", {"delta": "to"}),
        ("s1", "text", {"delta": "be"}),
        ("run", "message", {"text": "to be"}),
    ]


async def test_a_plain_function_publishes_from_its_thread() -> None:
    def copy() -> None:
        for n in range(200):
            publish("copied", {"n": n})

    async def main() -> None:
        await asyncio.gather(step("left", copy), step("right", copy))

    log = StreamLog()
    await serve(main, sink=log.sink).run()
    for source in ("s1", "s2"):
        assert [data["n"] for s, _, data in log.current() if s == source] == list(range(200))
    assert len(log.batches) < 400  # they were sent together


async def test_the_first_event_goes_at_once_and_the_next_ones_while_it_is_under_way_go_together() -> None:
    first_is_under_way, first_may_land = asyncio.Event(), asyncio.Event()

    async def slow(_batch: Any) -> None:
        first_is_under_way.set()
        await first_may_land.wait()

    async def speak() -> None:
        publish("text", {"delta": "0"})
        await first_is_under_way.wait()
        for n in range(1, 50):
            publish("text", {"delta": str(n)})
        first_may_land.set()

    log = StreamLog()
    log.on_append = slow
    await serve(lambda: step("speak", speak), sink=log.sink).run()
    assert [len(batch.events) for batch in log.batches] == [1, 49]


async def test_a_failed_try_is_superseded_by_the_next_one() -> None:
    tries = 0

    async def speak() -> str:
        nonlocal tries
        tries += 1
        publish("text", {"delta": f"try {tries}"})
        if tries < 3:
            raise RuntimeError("cut off")
        return "said"

    async def main() -> str:
        return await step("speak", speak, retry=EVERY_ERROR)

    log = StreamLog()
    assert value_of(await serve(main, sink=log.sink, suspend_always=True).run()) == "said"
    assert log.current() == [("s1", "text", {"delta": "try 3"})]
    assert [kind for kind, _ in log.all()] == ["text", "attempt", "text", "attempt", "text"]


async def test_what_a_step_published_that_fails_for_good_counts_no_more() -> None:
    async def speak() -> None:
        publish("text", {"delta": "half a sen"})
        raise RuntimeError("cut off")

    async def main() -> None:
        with pytest.raises(RuntimeError):
            await step("speak", speak, retry=ONCE)
        publish("apology", {})

    log = StreamLog()
    await serve(main, sink=log.sink, suspend_always=True).run()
    assert log.current() == [("run", "apology", {})]
    assert [kind for kind, _ in log.all()] == ["text", "attempt", "apology"]


async def test_what_a_cancelled_step_published_counts_no_more() -> None:
    async def speak() -> None:
        publish("text", {"delta": "half a sen"})
        await asyncio.Event().wait()

    async def main() -> None:
        speaking = asyncio.create_task(step("speak", speak))
        await step("interrupt", lambda: None)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)

    log = StreamLog()
    await serve(main, sink=log.sink).run()
    assert log.current() == []
    assert [kind for kind, _ in log.all()] == ["text", "attempt"]


async def test_a_step_whose_process_died_publishes_anew_and_supersedes() -> None:
    started = 0

    async def speak() -> str:
        nonlocal started
        started += 1
        publish("text", {"delta": f"start {started}"})
        return "said"

    async def main() -> str:
        publish("begun", {})
        return await step("speak", speak)

    log = StreamLog()
    server = serve(main, sink=log.sink, break_after={2})  # the command is journaled, its outcome is not
    while not started:
        assert await server.attempt() is None
    lost = started
    assert value_of(await server.run()) == "said"
    assert started == lost + 1
    assert log.current() == [("run", "begun", {}), ("s1", "text", {"delta": f"start {started}"})]


@pytest.mark.parametrize("failing", [["before"] * 3, ["after"] * 3, ["after", "before", "after", "before"]])
async def test_a_stream_that_cannot_be_reached_for_a_while_misses_nothing(failing: list[str]) -> None:
    async def speak() -> None:
        for n in range(5):
            publish("text", {"n": n})
            await asyncio.sleep(0.001)

    async def main() -> None:
        publish("begun", {})
        await step("speak", speak)
        publish("ended", {})

    log = StreamLog()
    log.failing = list(failing)
    await serve(main, sink=log.sink).run()
    assert [kind for kind, _ in log.all()] == ["begun", *["text"] * 5, "ended"]


async def test_where_nobody_keeps_streams_a_run_goes_on_and_the_log_says_how_to_have_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from perdure.durable import sinks

    sinks._tell_how_to_have_streams.cache_clear()

    async def main() -> str:
        publish("begun", {})
        return await step("speak", lambda: publish("text", {"delta": "x"}) or "said")

    with caplog.at_level(logging.INFO, "perdure.streams"):
        assert value_of(await serve(main).run()) == "said"
        assert value_of(await serve(main).run()) == "said"
    [said] = [record.getMessage() for record in caplog.records if record.name == "perdure.streams"]
    assert "PERDURE_STREAMS" in said


async def test_outside_of_a_run_there_is_no_stream() -> None:
    with pytest.raises(NotDurable, match="outside of a durable run"):
        publish("text", {})


async def test_a_thread_of_ones_own_is_not_on_the_loop() -> None:
    """It has the run's context variables, but the moment at which it speaks is chance."""
    import contextvars
    import threading

    errors: list[BaseException] = []

    def speak() -> None:
        try:
            publish("text", {})
        except BaseException as error:
            errors.append(error)

    async def main() -> None:
        variables = contextvars.copy_context()
        thread = threading.Thread(target=variables.run, args=(speak,))
        thread.start()
        thread.join()

    output = await serve(main).run()
    assert isinstance(errors[0], NotDurable)
    assert "published an event" in output.failure.message


async def test_what_a_step_left_running_is_told_that_the_step_is_over() -> None:
    ended = asyncio.Event()
    left: list[asyncio.Task[None]] = []

    async def straggle() -> None:
        await ended.wait()
        publish("text", {"delta": "too late"})

    async def speak() -> None:
        left.append(asyncio.create_task(straggle()))

    async def main() -> None:
        await step("speak", speak)
        ended.set()
        await step("pause", lambda: asyncio.sleep(0))

    log = StreamLog()
    await serve(main, sink=log.sink).run()
    with pytest.raises(NotDurable, match="after the step's end"):
        await left[0]
    assert log.all() == []


@pytest.mark.parametrize(
    ("kind", "data", "stream", "why"),
    [
        ("attempt", {}, "default", "by the stream itself"),
        ("end", {}, "default", "by the stream itself"),
        ("two words", {}, "default", "no event type"),
        ("text", {"source": "me"}, "default", "'source'"),
        ("text", {"at": object()}, "default", "'at'"),
        ("text", {"x": object()}, "default", "not JSON"),
        ("text", {"x": float("nan")}, "default", "not JSON"),
        ("text", ["x"], "default", "is a dict"),
        ("text", {"x": "y" * 300_000}, "default", "in parts"),
        ("text", {}, "a/b", "no name of a stream"),
        ("text", {}, "", "no name of a stream"),
    ],
)
async def test_what_is_no_event_is_refused(kind: str, data: Any, stream: str, why: str) -> None:
    async def main() -> str:
        with pytest.raises(ValueError, match=why):
            publish(kind, data, stream)
        return "refused"

    assert value_of(await serve(main).run()) == "refused"
