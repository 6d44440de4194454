"""Time to the first token and tokens a second: through Perdure, over the model's own stream, in the same run.

The model is an OpenAI-compatible server in a process of its own that says a word every so often. It is read
by the `openai` client, and by a reader of the agent's stream at the embedded engine, in turns. The agent runs
in the engine's process; its events are on disk before the reader has them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import httpx2  # noqa: E402
from child_process import ChildProcess  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import running  # noqa: E402
from free_port import free_port  # noqa: E402
from openai import AsyncOpenAI  # noqa: E402


class Pace(NamedTuple):
    """How a model speaks: how long it thinks before its first word, and between two."""

    thinks_ms: float
    word_ms: float

    def asked(self, words: int) -> str:
        """In the words of paced_model.py."""
        return f"{words} {self.word_ms} {self.thinks_ms}"


# A hosted model thinks for half a second; the others leave nowhere to hide.
PACES = (Pace(500, 20), Pace(20, 20), Pace(5, 5))


class Spoken(NamedTuple):
    first_ms: float  # from the request to the first word
    tokens_per_s: float  # from the first word to the last


async def by_the_model(url: str, words: int, pace: Pace) -> Spoken:
    client = AsyncOpenAI(base_url=url, api_key="none")
    begin = time.perf_counter()
    heard: list[float] = []
    async for event in await client.responses.create(model="m", input=pace.asked(words), stream=True):
        if event.type == "response.output_text.delta":
            heard.append(time.perf_counter())  # noqa: PERF401 - the time that it came
    return _spoken(begin, heard, words)


async def through_perdure(engine: EmbeddedEngine, words: int, pace: Pace) -> Spoken:
    heard: list[float] = []
    said = 0
    async with httpx2.AsyncClient(timeout=600) as client:
        begin = time.perf_counter()
        headers = {"accept": "text/event-stream"}
        url = f"{engine.ingress_url}/Paced/speak"
        async with client.stream("POST", url, json=pace.asked(words), headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and "delta" in (data := json.loads(line[6:])):
                    heard.append(time.perf_counter())
                    said += data["delta"].count("word")
    if said != words:
        raise RuntimeError(f"{said} of {words} words came")
    return _spoken(begin, heard, words)


def _spoken(begin: float, heard: list[float], words: int) -> Spoken:
    return Spoken((heard[0] - begin) * 1000, (words - 1) / (heard[-1] - heard[0]))


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perdure-streaming-") as directory:
        port = free_port()
        url = f"http://127.0.0.1:{port}/v1"
        model = ChildProcess(
            [sys.executable, str(HERE / "paced_model.py"), str(port)], log_path=Path(directory) / "model.log"
        )
        env = {"MODEL_URL": url, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        service = EmbeddedEngine(str(HERE / "streaming_service.py"), Path(directory), env=env)
        model.start()
        try:
            await model.wait_for_http(f"http://127.0.0.1:{port}/")
            async with running(service) as engine:
                await through_perdure(engine, 10, Pace(1, 1))
                await by_the_model(url, 10, Pace(1, 1))
                print(
                    f"{'thinks, then a word every':>26}{'first word, model':>20}{'Perdure':>10}{'ratio':>8}"
                    f"{'words/s, model':>18}{'Perdure':>10}{'ratio':>8}"
                )
                for pace in PACES:
                    theirs, ours = [], []
                    for _ in range(chosen.rounds):
                        theirs.append(await by_the_model(url, chosen.words, pace))
                        ours.append(await through_perdure(engine, chosen.words, pace))
                    _print(pace, theirs, ours)
        finally:
            model.kill()
    return 0


def _print(pace: Pace, theirs: list[Spoken], ours: list[Spoken]) -> None:
    first, our_first = (statistics.median(each.first_ms for each in side) for side in (theirs, ours))
    speed, our_speed = (statistics.median(each.tokens_per_s for each in side) for side in (theirs, ours))
    print(
        f"{pace.thinks_ms:>15.0f} ms{pace.word_ms:>5.0f} ms"
        f"{first:>17.1f} ms{our_first:>7.1f} ms{our_first / first:>8.2f}"
        f"{speed:>18.1f}{our_speed:>10.1f}{our_speed / speed:>8.3f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
