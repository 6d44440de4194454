"""How fast the inbox finds what waits for a human, among 100,000 invocations that wait for something else.

The store is filled through the engine's own storage layer; then the engine runs on it, and is asked over HTTP
by a client in the same process. `awakeable`: they wait for an answer from outside, as approvals do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2

from perdure.engine.core.model import Entry, Invocation, Status, Success, Target
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.inspection import approvals
from perdure.inspection.admin_api import AdminApi
from perdure.protocol.ids import encode_awakeable_id, random_invocation_id
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

AWAKEABLE = 17
BEGIN_MS = 1_790_000_000_000
BATCH = 1_000
ON_AN_AWAKEABLE = pb.Future(waiting_signals=[AWAKEABLE]).SerializeToString()
ON_A_TIMER = pb.Future(waiting_completions=[1]).SerializeToString()

Ask = Callable[[], Awaitable[object]]


def an_invocation(number: int, chance: random.Random, service: str, awaiting_on: bytes) -> Invocation:
    at_ms = BEGIN_MS + number * 10
    return Invocation(
        id=random_invocation_id(at_ms, chance.randbytes(18)),
        target=Target(service, "handle"),
        status=Status.SUSPENDED,
        created_at_ms=at_ms,
        modified_at_ms=at_ms,
        awaiting_on=awaiting_on,
    )


def ask(store: SqliteStore, asking: Invocation) -> None:
    """The two entries with which an agent announces an approval."""
    announcement = {
        "version": 1,
        "awakeable_id": encode_awakeable_id(asking.id, AWAKEABLE),
        "tool": "refund",
        "arguments": {"order": 23, "euros": 180},
        "agents": ["RefundClerk"],
        "asked_at": "2026-11-23T07:00:00.000+00:00",
    }
    value = pb.Value(content=json.dumps({"ok": announcement}).encode())
    for kind, message in (
        (MessageType.RUN, pb.RunCommand(result_completion_id=1, name="approval refund")),
        (MessageType.RUN_COMPLETION, pb.Notification(completion_id=1, value=value)),
    ):
        store.append(asking.id, Entry(kind, message.SerializeToString(), asking.created_at_ms))


def fill(store: SqliteStore, suspended: int, waiting: int, decided: int) -> None:
    """Every other one waits on an awakeable that nobody was told of, the others on timers."""
    chance = random.Random(1)

    def batch(first: int) -> None:
        for number in range(first, min(first + BATCH, suspended)):
            on = ON_AN_AWAKEABLE if number % 2 else ON_A_TIMER
            made = an_invocation(number, chance, f"Service{number % 7}", on)
            store.put_invocation(made)
            content = pb.InputCommand(value=pb.Value(content=b'"hello"')).SerializeToString()
            store.append(made.id, Entry(MessageType.INPUT, content, made.created_at_ms))

    def approvals_of(first: int, count: int, answer: bytes | None) -> None:
        for number in range(first, first + count):
            made = an_invocation(number, chance, "Refunds", ON_AN_AWAKEABLE)
            store.put_invocation(made)
            ask(store, made)
            if answer is not None:
                at_ms = made.created_at_ms + 5
                store.append(made.id, Entry(MessageType.SIGNAL, answer, at_ms))
                ended = replace(made, status=Status.COMPLETED, awaiting_on=None, completed_at_ms=at_ms)
                store.put_invocation(replace(ended, result=Success(b'"done"')))

    for first in range(0, suspended, BATCH):
        store.transact(partial(batch, first))
    yes = pb.Notification(signal_id=AWAKEABLE, value=pb.Value(content=b'{"approved": true}'))
    for first in range(0, decided, BATCH):
        count = min(BATCH, decided - first)
        store.transact(partial(approvals_of, suspended + first, count, yes.SerializeToString()))
    store.transact(partial(approvals_of, suspended + decided, waiting, None))


async def timed(name: str, ask: Ask, rounds: int) -> None:
    await ask()  # the query process starts
    spent: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        await ask()
        spent.append((time.perf_counter() - begin) * 1e3)
    print(f"{name:44}{statistics.median(spent):9.1f}{max(spent):9.1f}", flush=True)


async def main(suspended: int, waiting: int, decided: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as directory:
        with SqliteStore.open(Path(directory)) as store:
            fill(store, suspended, waiting, decided)
        options = EngineOptions(data_dir=Path(directory), ingress="127.0.0.1:0", admin="127.0.0.1:0")
        async with (
            EngineServer(options) as engine,
            AdminApi(engine.admin_url) as api,
            httpx2.AsyncClient(base_url=f"{engine.admin_url}/ui", timeout=60) as ui,
        ):
            found = await approvals.pending(api)
            assert len(found) == waiting
            some = found[0].id
            print(f"{'ms':44}{'median':>9}{'worst':>9}")
            await timed("approvals that wait", lambda: approvals.pending(api), rounds)
            await timed("the last 20 decisions", lambda: approvals.recent(api), rounds)
            await timed("one approval by its id", lambda: approvals.find(api, some), rounds)
            for path in ("/approvals", "/"):
                await timed(f"web UI: {path}", partial(ui.get, path), rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suspended", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=50)
    parser.add_argument("--decided", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.suspended, chosen.waiting, chosen.decided, chosen.rounds))
