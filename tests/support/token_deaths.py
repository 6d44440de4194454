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
from fork_server import ForkServer
from kept_alive import kept_alive
from streamed_text import TEXT

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
    """An embedded engine with the agent in its process, both of which die where they are told to."""

    def __init__(self, engine: EmbeddedEngine, order: Path) -> None:
        self._engine, self._order = engine, order

    async def die(self, turn: int, token: int) -> Reading | None:
        """One run that is killed before this word; None if there is no such word."""
        self._order.write_text(f"{turn} {token}")
        async with httpx2.AsyncClient(base_url=self._engine.ingress_url, timeout=TIMEOUT_S) as client:
            sent = await client.post("/Weather/ask/send", json="What is the weather?")
            with anyio.fail_after(TIMEOUT_S):
                async with kept_alive(self._engine):
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
                async for event in _events(answer):
                    reading.events.append(event)
        except httpx2.TransportError:
            await anyio.sleep(0.02)  # it has just died, or is being started
    reading.output = json.loads(reading.events[-1].payload)["output"]
    return reading


async def _events(answer: httpx2.Response) -> AsyncIterator[StreamEvent]:
    frame: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            frame[name] = value
            continue
        if "id" in frame:
            data = json.loads(frame["data"])
            source = str(data.get("source"))
            yield StreamEvent(int(frame["id"]), frame["event"], frame["data"], source, 0)
        frame = {}


@asynccontextmanager
async def token_deaths(directory: Path, forks: ForkServer) -> AsyncIterator[TokenDeaths]:
    """The agent on an embedded engine, with all files in `directory`."""
    order = directory / "die-at"
    engine = EmbeddedEngine(
        str(AGENT), directory, env={"DIE_AT": str(order), "PYTHONPATH": SUPPORT}, spawn=forks.spawn
    )
    try:
        await engine.start()
        yield TokenDeaths(engine, order)
    finally:
        engine.kill()


async def whole() -> int:
    """Every death there is. Returns how many faults were found."""
    faults: list[str] = []
    deaths = connections = superseded = 0
    with ForkServer() as forks, tempfile.TemporaryDirectory(prefix="perdure-tokens-") as directory:
        async with token_deaths(Path(directory), forks) as runs:
            for turn in range(TURNS):
                token = 0
                while (reading := await runs.die(turn, token)) is not None:
                    faults += [f"killed at word {token} of call {turn}: {f}" for f in reading.faults()]
                    deaths += 1
                    connections += reading.connections
                    superseded += sum(event.type == ATTEMPT for event in reading.events)
                    token += 1
    print(
        f"embedded: {deaths} deaths, one at each word; {connections} connections of the readers, "
        f"{superseded} times a partial text was superseded; {len(faults)} faults"
    )
    for fault in faults:
        print(fault)
    return len(faults)


if __name__ == "__main__":
    sys.exit(1 if anyio.run(whole) else 0)
