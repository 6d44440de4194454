"""perdure.js in a real browser: the same promises as `perdure.client` keeps."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import REQUIRED_BY_ENV, WHY_MISSING, find_browser, page
from cutting_proxy import CuttingProxy, cutting_proxy
from embedded_engine import EmbeddedEngine
from publishing_service import Publisher, text

from perdure.client import Client
from perdure.streams.append import Batch
from perdure.testing import harness

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(find_browser() is None and os.environ.get(REQUIRED_BY_ENV) != "1", reason=WHY_MISSING),
]

IMPORT = "const {{ Client, RequestError, InvocationFailed }} = await import('{url}/restate/client.js');"


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
async def ingress(publisher: Publisher) -> AsyncIterator[str]:
    async with harness(*publisher.services, ports=True, skip_time=False) as h:
        yield h.ingress_url


@pytest.fixture
async def proxy(ingress: str) -> AsyncIterator[CuttingProxy]:
    port = urlsplit(ingress).port
    assert port is not None
    async with cutting_proxy(port) as proxy:
        yield proxy


async def test_a_page_calls_and_follows_a_run_as_it_speaks(ingress: str, publisher: Publisher) -> None:
    script = (
        IMPORT.format(url=ingress)
        + """
        const client = new Client();
        const sent = await client.send("Publisher/run", undefined, { idempotencyKey: "k" });
        const again = await client.send("Publisher/run", undefined, { idempotencyKey: "k" });
        const events = [];
        for await (const event of client.stream(sent.id)) { events.push(event); await note(event.index); }
        return { sent, again, events, output: await client.attach(sent.id),
                 called: await client.call("Publisher/run", undefined, { idempotencyKey: "k" }) };
    """
    )
    async with page(script) as shown:
        run = await publisher.runs.get()
        for index, word in enumerate(("Ein", " schöner", " Tag 🌍\n\n")):
            await run.publish(word)
            assert await shown.notes.get() == index
        run.finish("bye")
        told = await shown.result()
    assert (told["sent"]["isNew"], told["again"]) == (True, {"id": told["sent"]["id"], "isNew": False})
    assert [(e["index"], e["type"], e["data"], e["source"]) for e in told["events"]] == [
        (0, "text", {"delta": "Ein"}, "run"),
        (1, "text", {"delta": " schöner"}, "run"),
        (2, "text", {"delta": " Tag 🌍\n\n"}, "run"),
        (3, "end", {"status": "succeeded", "output": "bye"}, "run"),
    ]
    assert (told["output"], told["called"]) == ("bye", "bye")


async def test_wherever_the_network_breaks_a_page_gets_each_event_once(
    proxy: CuttingProxy, ingress: str, publisher: Publisher
) -> None:
    async with Client(ingress) as client:
        sent = await client.send("Publisher/run")
        run = await publisher.runs.get()
        await run.publish(*(f"w{n} é🌍" for n in range(20)))
        run.finish()
        await client.attach(sent)
    proxy.cuts = list(range(0, 1_400, 7))
    script = (
        IMPORT.format(url=ingress)
        + f"""
        const client = new Client("{proxy.url}", {{ firstPauseMs: 1, pauseMaxMs: 5 }});
        const reads = [];
        for (let n = 0; n < 20; n++) {{
            const indexes = [];
            for await (const event of client.stream("{sent.id}")) indexes.push(event.index);
            reads.push(indexes);
        }}
        return reads;
    """
    )
    async with page(script) as shown:
        assert await shown.result() == [list(range(21))] * 20
    assert proxy.was_cut > 60


async def test_a_page_takes_superseded_text_back_and_learns_of_failures(
    ingress: str, publisher: Publisher
) -> None:
    script = (
        IMPORT.format(url=ingress)
        + """
        const client = new Client(), seen = [];
        const { id } = await client.send("Publisher/run");
        let text = "";
        try {
            for await (const { keep, added } of client.textChanges(id)) {
                text = text.slice(0, keep) + added;
                seen.push(text);
            }
        } catch (error) {
            seen.push(error instanceof InvocationFailed && [error.code, error.message]);
        }
        try {
            await client.call("Nobody/there");
        } catch (error) {
            seen.push(error instanceof RequestError && error.status);
        }
        return seen;
    """
    )
    async with page(script) as shown:
        run = await publisher.runs.get()
        await run.publish("> ")
        await run.sink.append("default", Batch("s1", (1, 0), 0, text("It", " rains")))
        await run.sink.append("default", Batch("s1", (2, 0), 0, text("It", " is dry")))
        run.fail("no more")
        seen = await shown.result()
    assert seen == ["> ", "> It", "> It rains", "> ", "> It", "> It is dry", [422, "no more"], 404]


STORY = """
import asyncio
import perdure, restate
from perdure.durable import run

story = restate.Service("Story")

@story.handler()
async def tell(ctx: restate.Context, words: int) -> str:
    async def main():
        async def word(n):
            perdure.publish("text", {"delta": f"w{n} "})
            await asyncio.sleep(0.05)
            return f"w{n} "
        return "".join([await perdure.step(f"word {n}", word, n) for n in range(words)])
    return await run(ctx, main)

app = restate.app([story])
"""


@pytest.mark.crash
async def test_a_page_reads_through_the_death_of_the_engine(tmp_path: Path) -> None:
    (tmp_path / "story.py").write_text(STORY)
    engine = EmbeddedEngine(str(tmp_path / "story.py"), tmp_path)
    await engine.start()
    script = (
        IMPORT.format(url=engine.ingress_url)
        + """
        const client = new Client();
        const { id } = await client.send("Story/tell", 30);
        const indexes = [];
        let text = "", output;
        for await (const event of client.stream(id)) {
            indexes.push(event.index);
            await note(event.index);
        }
        for await (const { keep, added } of client.textChanges(id)) text = text.slice(0, keep) + added;
        return { indexes, text, output: await client.attach(id) };
    """
    )
    try:
        async with page(script) as shown:
            for kill_at in (3, 12, 20):
                while await shown.notes.get() < kill_at:
                    pass
                await engine.restart()
            told = await shown.result()
    finally:
        engine.kill()
    assert told["indexes"] == list(range(len(told["indexes"])))
    assert told["text"] == told["output"] == "".join(f"w{n} " for n in range(30))
