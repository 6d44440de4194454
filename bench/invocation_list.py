"""How fast people see what an engine holds: lists of many invocations, and the journal of a long one.

The store is filled through the engine's own storage layer; then the engine runs on it, and is asked over HTTP
as the web UI asks, by a client in the same process. CPU is the median of what both take of a processor, which
tells more on a busy machine. `put` is what writing a row takes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx2

from perdure.engine.core.model import Entry, Failure, Invocation, Status, Success, Target
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import InvocationFilter, counts, page
from perdure.inspection.journal import journal
from perdure.protocol.ids import random_invocation_id
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

BEGIN_MS = 1_790_000_000_000
LARGE_BYTES = 32 * 1024 * 1024
BATCH = 1_000

Ask = Callable[[], Awaitable[object]]


def an_invocation(number: int, chance: random.Random) -> Invocation:
    """One in 20 failed, one in 500 has not ended; 7 services, 1,000 objects."""
    created_ms = BEGIN_MS + number * 50
    failed, ended = number % 20 == 0, number % 500 != 0
    return Invocation(
        id=random_invocation_id(created_ms, chance.randbytes(18)),
        target=Target(f"Service{number % 7}", "handle", f"customer-{number % 1000}"),
        status=Status.COMPLETED if ended else Status.SUSPENDED,
        created_at_ms=created_ms,
        modified_at_ms=created_ms + 900,
        deployment_id="dp_131xsc2WH9rK2JSUYwMv2qA",
        idempotency_key=f"order-{number}" if number % 3 == 0 else None,
        result=None if not ended else Failure(500, "the bank is closed") if failed else Success(b'"done"'),
        completed_at_ms=created_ms + 900 if ended else None,
    )


def fill(store: SqliteStore, invocations: int) -> float:
    """Microseconds a put, the commits of 1,000 included."""
    chance = random.Random(1)
    begin = time.perf_counter()
    for first in range(0, invocations, BATCH):
        made = [an_invocation(number, chance) for number in range(first, min(first + BATCH, invocations))]
        store.transact(lambda made=made: [store.put_invocation(each) for each in made])  # type: ignore[misc]
    return (time.perf_counter() - begin) / invocations * 1e6


def updates(store: SqliteStore, invocations: int) -> float:
    """Microseconds a put of a life of four: it runs, suspends, runs and completes; medians of 30 commits."""
    chance = random.Random(2)
    spent: list[float] = []
    for first in range(30):
        made = [an_invocation(invocations + first * 100 + number, chance) for number in range(100)]

        def live(made: list[Invocation] = made) -> None:
            for status in (Status.RUNNING, Status.SUSPENDED, Status.RUNNING, Status.COMPLETED):
                for each in made:
                    store.put_invocation(replace(each, status=status))

        begin = time.perf_counter()
        store.transact(live)
        spent.append((time.perf_counter() - begin) / 400 * 1e6)
    return statistics.median(spent)


def a_long_journal(store: SqliteStore, entries: int, *, large: bool) -> str:
    """The id of an invocation with so many entries of 500 bytes; if `large`, with a value of 32 MB."""
    made = replace(an_invocation(10_000_000 + large, random.Random(3 + large)), target=Target("Long", "run"))

    def write() -> None:
        store.put_invocation(made)
        for number in range(1, entries // 2 + 1):
            command = pb.RunCommand(result_completion_id=number, name="call LLM")
            size = LARGE_BYTES if large and number == 2 else 500
            completion = pb.Notification(completion_id=number, value=pb.Value(content=b"x" * size))
            store.append(made.id, Entry(MessageType.RUN, command.SerializeToString(), BEGIN_MS))
            store.append(made.id, Entry(MessageType.RUN_COMPLETION, completion.SerializeToString(), BEGIN_MS))

    store.transact(write)
    return made.id


async def timed(name: str, ask: Ask, rounds: int) -> None:
    spent: list[float] = []
    computed: list[float] = []
    for _ in range(rounds):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        await ask()
        spent.append((time.perf_counter() - begin) * 1e3)
        computed.append((time.process_time() - begin_cpu) * 1e3)
    figures = (statistics.median(spent), max(spent), statistics.median(computed))
    print(f"{name:44}" + "".join(f"{figure:9.1f}" for figure in figures), flush=True)


async def measure(api: AdminApi, long_id: str, large_id: str, rounds: int) -> None:
    async def deep(pages: int) -> str | None:
        cursor = None
        for _ in range(pages):
            cursor = (await page(api, cursor=cursor, limit=1_000)).next
        return cursor

    middle = await deep(40)
    since = datetime.fromtimestamp((BEGIN_MS + 60_000) / 1000, UTC)
    asked: dict[str, Ask] = {
        "page of 50, no filter": lambda: page(api),
        "page of 50, by status: failed": lambda: page(api, InvocationFilter(status=frozenset({"failed"}))),
        "page of 50, by status: paused (there is none)": lambda: page(
            api, InvocationFilter(status=frozenset({"paused"}))
        ),
        "page of 50, by three statuses": lambda: page(
            api, InvocationFilter(status=frozenset({"running", "suspended", "failed"}))
        ),
        "page of 50, by service": lambda: page(api, InvocationFilter(service="Service3")),
        "page of 50, by service and key": lambda: page(
            api, InvocationFilter(service="Service3", key="customer-3")
        ),
        "page of 50, by text that many have": lambda: page(api, InvocationFilter(text="Customer-77")),
        "page of 50, by text that one has": lambda: page(api, InvocationFilter(text="order-42123")),
        "page of 50, by text that none has": lambda: page(api, InvocationFilter(text="no such thing")),
        "page of 50, before a time long ago": lambda: page(api, InvocationFilter(created_before=since)),
        "page of 50, 40,000 deep": lambda: page(api, cursor=middle),
        "counts of all states": lambda: counts(api),
        "counts of all states, by text": lambda: counts(api, InvocationFilter(text="customer-77")),
        "journal of 5,000 entries, first 500 steps": lambda: journal(api, long_id),
        "journal of 5,000 entries, from entry 4,000": lambda: journal(api, long_id, 4_000),
    }
    print(f"{'ms':44}{'median':>9}{'worst':>9}{'CPU':>9}")
    for name, ask in asked.items():
        await timed(name, ask, rounds)
    await timed("the same with a value of 32 MB", lambda: journal(api, large_id), 3)
    async with httpx2.AsyncClient(base_url=f"{api.url}/ui", timeout=30) as ui:
        for path in ("/", "/invocations", "/invocations?status=failed", "/invocations?q=order-42123"):
            await timed(f"web UI: {path}", partial(ui.get, path), rounds)


async def main(invocations: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as directory:
        with SqliteStore.open(Path(directory)) as store:
            print(f"put, a new one: {fill(store, invocations):.0f} us")
            print(f"put, in a life of four: {updates(store, invocations):.0f} us")
            long_id = a_long_journal(store, 5_000, large=False)
            large_id = a_long_journal(store, 5_000, large=True)
        options = EngineOptions(data_dir=Path(directory), ingress="127.0.0.1:0", admin="127.0.0.1:0")
        async with EngineServer(options) as engine, AdminApi(engine.admin_url) as api:
            await measure(api, long_id, large_id, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.invocations, chosen.rounds))
