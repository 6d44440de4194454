"""What an outbox does while streams are slow, out of reach, or gone: runs go on, and memory is bounded."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from typing import Any

import pytest
from journal_server import serve, value_of
from stream_log import StreamLog

from perdure import publish
from perdure.durable import outbox, step
from perdure.durable.stream import flush

pytestmark = pytest.mark.anyio

KIB = 1024


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 64 KiB in an outbox."""
    monkeypatch.setattr(outbox, "UNSENT_BYTES_MAX", 64 * KIB)


def unsent_bytes_max(log: StreamLog) -> list[int]:
    """How much was on its way or waited at each append, as the batches tell."""
    return [sum(len(event.payload) for event in batch.events) for batch in log.batches]


async def test_a_thread_that_publishes_faster_than_the_disk_waits_for_it(narrow: None) -> None:
    async def slow(_batch: Any) -> None:
        await asyncio.sleep(0.002)

    def copy() -> None:
        for n in range(400):
            publish("copied", {"n": n, "bytes": "x" * KIB})

    log = StreamLog()
    log.on_append = slow
    await serve(lambda: step("copy", copy), sink=log.sink, patience_s=5).run()
    assert [data["n"] for _, data in log.all()] == list(range(400))
    assert max(unsent_bytes_max(log)) <= 64 * KIB


async def test_an_async_step_that_publishes_more_than_fits_can_wait_for_room(narrow: None) -> None:
    async def copy() -> None:
        for n in range(400):
            publish("copied", {"n": n, "bytes": "x" * KIB})
            if n % 20 == 0:
                await flush()

    log = StreamLog()
    await serve(lambda: step("copy", copy), sink=log.sink, patience_s=5).run()
    assert [data["n"] for _, data in log.all()] == list(range(400))


async def test_what_does_not_fit_is_dropped_and_the_log_says_from_where_on(
    narrow: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def copy() -> str:
        for n in range(400):
            publish("copied", {"n": n, "bytes": "x" * KIB})
        return "copied"

    async def main() -> str:
        copied = await step("copy", copy)
        publish("done", {})
        return copied

    log = StreamLog()
    assert value_of(await serve(main, sink=log.sink, patience_s=5).run()) == "copied"
    kept = [data["n"] for kind, data in log.all() if kind == "copied"]
    assert kept == list(range(len(kept)))
    assert 40 < len(kept) < 64
    assert log.all()[-1] == ("done", {})
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f"'s1' from {len(kept)} on" in warning


async def test_a_run_that_publishes_faster_than_the_disk_waits_between_its_turns(narrow: None) -> None:
    async def slow(_batch: Any) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        for n in range(40):
            for part in range(10):
                publish("copied", {"n": 10 * n + part, "bytes": "x" * KIB})
            await step("pause", lambda: None)

    log = StreamLog()
    log.on_append = slow
    await serve(main, sink=log.sink, patience_s=5).run()
    assert [data["n"] for _, data in log.all()] == list(range(400))


async def test_a_run_does_not_wait_for_ever_for_streams_that_are_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits once for its steps, and once at its end."""
    monkeypatch.setattr(outbox, "WAIT_S_MAX", 0.3)

    async def never(_batch: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> str:
        for n in range(5):
            await step("speak", lambda n=n: publish("text", {"n": n}))
        publish("done", {})
        return "done"

    log = StreamLog()
    log.on_append = never
    started = time.monotonic()
    assert value_of(await serve(main, sink=log.sink, patience_s=5).run()) == "done"
    assert 0.3 <= time.monotonic() - started < 1.5
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "out of reach" in warning


async def test_streams_that_come_back_get_it_all_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "WAIT_S_MAX", 0.05)

    async def main() -> None:
        for n in range(5):
            await step("speak", lambda n=n: publish("text", {"n": n}))
            publish("spoken", {"n": n})
        await step("wait", lambda: time.sleep(0.3))
        publish("done", {})

    log = StreamLog()
    log.failing = ["before"] * 4
    await serve(main, sink=log.sink, patience_s=5).run()
    assert log.all() == [
        *((kind, {"n": n}) for n in range(5) for kind in ("text", "spoken")),
        ("done", {}),
    ]


async def test_a_stream_that_forgot_what_it_had_gets_no_more_of_that_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It would have a gap, and a reader could not know."""

    async def forget() -> None:
        log.forget()

    async def main() -> None:
        publish("text", {"n": 0})
        await step("forget", forget)
        publish("text", {"n": 1})
        await step("speak", lambda: publish("text", {"n": 2}))
        publish("text", {"n": 3})

    log = StreamLog()
    await serve(main, sink=log.sink, patience_s=5).run()
    assert log.current() == [("s2", "text", {"n": 2})]
    assert any("misses events of 'run'" in record.getMessage() for record in caplog.records)


async def test_an_attempt_that_is_over_publishes_no_more_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> str:
        publish("text", {"n": 0})
        await step("overtaken", lambda: setattr(log, "attempt", 99))
        publish("text", {"n": 1})
        return "done"

    log = StreamLog()
    assert value_of(await serve(main, sink=log.sink, patience_s=5).run()) == "done"
    assert log.all() == [("text", {"n": 0})]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_many_threads_of_one_step_publish_without_losing_an_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = outbox.Outbox.step

    def slowly(self: outbox.Outbox, ordinal: int, attempt: int) -> outbox.Source:
        time.sleep(0.02)  # so that all of them find that nothing was published yet
        return begin(self, ordinal, attempt)

    monkeypatch.setattr(outbox.Outbox, "step", slowly)

    def copy() -> None:
        def part(name: int) -> None:
            for n in range(100):
                publish("copied", {"thread": name, "n": n})

        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(part, name)) for name in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    log = StreamLog()
    await serve(lambda: step("copy", copy), sink=log.sink, patience_s=5).run()
    for name in range(8):
        assert [data["n"] for _, data in log.all() if data["thread"] == name] == list(range(100))


async def test_steps_that_speak_at_once_are_sent_together() -> None:
    """Or the tokens of ten models would go one by one."""

    async def slow(_batch: Any) -> None:
        await asyncio.sleep(0.005)

    async def speak() -> None:
        for n in range(50):
            publish("text", {"n": n})
            await asyncio.sleep(0.001)

    async def main() -> None:
        await asyncio.gather(*(step("speak", speak) for _ in range(10)))

    log = StreamLog()
    log.on_append = slow
    await serve(main, sink=log.sink, patience_s=5).run()
    assert len(log.all()) == 500
    assert len(log.batches) < 250
