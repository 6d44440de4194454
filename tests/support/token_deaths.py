"""SIGKILL at every word of a run's model calls, in turn, with a reader that follows the stream through it.

Run as a program it prints what `make crash` promises; tests/crash/test_streamed_words.py takes a sample.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
from embedded_engine import EmbeddedEngine
from engines import ENGINES, EngineName, running
from kept_alive import kept_alive
from service_endpoint import ServiceEndpoint
from sse import events_of
from streamed_text import TEXT
from streaming_engine import StreamingEngine

from perdure.streams.assemble import answer_text
from perdure.streams.events import ATTEMPT, END, StreamEvent

AGENT = Path(__file__).parents[1] / "crash" / "streaming_agent.py"
SUPPORT = str(Path(__file__).parent)
TURNS = 2
TIMEOUT_S = 60


@dataclass
class Reading:
    """What one reader heard, however often it had to come back."""

    events: list[StreamEvent] = field(default_factory=list)
    connections: int = 0
    output: Any = None

    def faults(self) -> list[str]:
        """What is wrong with it; nothing should be."""
        indexes = [event.index for event in self.events]
        wrong = []
        if indexes != list(range(len(indexes))):
            wrong.append(f"indexes {indexes}")
        if (text := answer_text(self.events)) != self.output or text != TEXT:
            wrong.append(f"the text is {text!r}, the output {self.output!r}")
        return wrong


class TokenDeaths:
    """An engine with the agent, whose process dies where it is told to; the embedded engine dies with it.

    url: where the agent is asked, and its stream read.
    """

    def __init__(self, url: str, victim: EmbeddedEngine | ServiceEndpoint, order: Path) -> None:
        self._url, self._victim, self._order = url, victim, order

    async def die(self, turn: int, token: int) -> Reading | None:
        """One run that is killed before this word; None if there is no such word."""
        self._order.write_text(f"{turn} {token}")
        async with httpx2.AsyncClient(base_url=self._url, timeout=TIMEOUT_S) as client:
            sent = await client.post("/Weather/ask/send", json="What is the weather?")
            with anyio.fail_after(TIMEOUT_S):
                async with kept_alive(self._victim):
                    reading = await _read(client, sent.json()["invocationId"])
        if self._order.exists():
            self._order.unlink()
            return None
        return reading


async def _read(client: httpx2.AsyncClient, invocation_id: str) -> Reading:
    """Read the stream to its end, from behind the last event that came, after every break."""
    reading = Reading()
    while not reading.events or reading.events[-1].type != END:
        headers = {"last-event-id": str(reading.events[-1].index)} if reading.events else {}
        try:
            async with client.stream(
                "GET", f"/restate/invocation/{invocation_id}/stream", headers=headers
            ) as answer:
                assert answer.status_code == 200, await answer.aread()
                reading.connections += 1
                async for event in events_of(answer):
                    source = str(event.data.get("source"))
                    reading.events.append(
                        StreamEvent(event.id, event.type, json.dumps(event.data), source, 0)
                    )
        except httpx2.TransportError:
            await anyio.sleep(0.02)  # it has just died, or is being started
    reading.output = json.loads(reading.events[-1].payload)["output"]
    return reading


@asynccontextmanager
async def token_deaths(name: EngineName, directory: Path) -> AsyncIterator[TokenDeaths]:
    """The agent on the engine called `name`, with all files in `directory`."""
    order = directory / "die-at"
    env = {"DIE_AT": str(order), "PYTHONPATH": SUPPORT}
    if name == "embedded":
        engine = EmbeddedEngine(str(AGENT), directory, env=env)
        async with running(engine):
            yield TokenDeaths(engine.ingress_url, engine, order)
    else:
        cluster = StreamingEngine(name, str(AGENT), directory, env=env)
        try:
            await cluster.start()
            yield TokenDeaths(cluster.url, cluster.endpoint, order)
        finally:
            cluster.kill()


async def whole() -> int:
    """Every death there is, on both engines. Returns how many faults were found."""
    return sum([await _whole(name) for name in ENGINES])


async def _whole(name: EngineName) -> int:
    faults: list[str] = []
    deaths = connections = superseded = 0
    with tempfile.TemporaryDirectory(prefix="perdure-tokens-") as directory:
        async with token_deaths(name, Path(directory)) as runs:
            for turn in range(TURNS):
                token = 0
                while (reading := await runs.die(turn, token)) is not None:
                    faults += [f"killed at word {token} of call {turn}: {f}" for f in reading.faults()]
                    deaths += 1
                    connections += reading.connections
                    superseded += sum(event.type == ATTEMPT for event in reading.events)
                    token += 1
    print(
        f"{name}: {deaths} deaths, one at each word; {connections} connections of the readers, "
        f"{superseded} times a partial text was superseded; {len(faults)} faults",
        flush=True,
    )
    for fault in faults:
        print(fault)
    return len(faults)


if __name__ == "__main__":
    sys.exit(1 if anyio.run(whole) else 0)
