"""What a receiver of OTLP is sent of an agent's run: by `perdure up`, and beside a real restate-server."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx2
import pytest
import traced_shop
from embedded_engine import EmbeddedEngine
from engines import engine, running
from free_port import free_port
from otlp_receiver import OtlpReceiver
from restate_server import WHY_MISSING, find_binary

pytestmark = pytest.mark.anyio

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}
KEPT = ("Shop/ask", "attempt 1", "accept Shop/ask", "invoke_agent Keeper", "Stock/count")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
async def shop(receiver: OtlpReceiver, directory: Path) -> AsyncIterator[EmbeddedEngine]:
    env = receiver.env | {"SHOP_DIRECTORY": str(directory), "OPENAI_API_KEY": ""}
    async with running(EmbeddedEngine(traced_shop.__file__, directory, env=env)) as shop:
        yield shop


@pytest.fixture(autouse=True)
def _nothing_received_yet(receiver: OtlpReceiver) -> None:
    receiver.spans.clear()


async def call(ingress_url: str, handler: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=ingress_url, timeout=30) as client:
        return await client.post(f"/Shop/{handler}", json="how many socks?", headers=headers)


async def test_a_run_is_one_trace_from_the_client_to_the_tools(
    shop: EmbeddedEngine, receiver: OtlpReceiver
) -> None:
    answer = await call(shop.ingress_url, "ask", TRACEPARENT)
    assert answer.json() == "seven"
    await receiver.until(*KEPT)

    assert {span.trace_id for span in receiver.spans} == {TRACE}
    assert list(receiver.tree(CLIENT)) == [
        "accept Shop/ask",
        "  Shop/ask",
        "    attempt 1",
        "      invoke_agent Keeper",
        "        chat",
        "        execute_tool look_up",
        "        chat",
        "        execute_tool ask_stock",
        "          note",
        "        chat",
        "    Stock/count",
        "      attempt 1",
    ]
    assert all(span.end_ns >= span.start_ns for span in receiver.spans)
    assert {span.resource["service.name"] for span in receiver.spans} == {"perdure"}
    [invocation] = receiver.named("Shop/ask")
    asked = {"query": "SELECT id, trace_id FROM sys_invocation WHERE target_service_name = 'Shop'"}
    async with httpx2.AsyncClient(base_url=shop.admin_url, timeout=30) as client:
        told = await client.post("/query", json=asked, headers={"accept": "application/json"})
    assert told.json()["rows"] == [{"id": answer.headers["x-restate-id"], "trace_id": TRACE}]
    assert invocation.attributes["restate.invocation.id"] == answer.headers["x-restate-id"]
    assert invocation.attributes["perdure.outcome"] == "succeeded"


async def test_models_agents_and_tools_bear_opentelemetrys_names(
    shop: EmbeddedEngine, receiver: OtlpReceiver
) -> None:
    await call(shop.ingress_url, "ask")
    await receiver.until(*KEPT)

    chat = receiver.named("chat")[0].attributes
    assert (chat["gen_ai.operation.name"], chat["gen_ai.agent.name"]) == ("chat", "Keeper")
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] > 0
    [tool] = receiver.named("execute_tool look_up")
    assert tool.attributes["gen_ai.operation.name"] == "execute_tool"
    assert tool.attributes["gen_ai.tool.name"] == "look_up"
    assert tool.attributes["gen_ai.tool.call.id"]
    assert tool.attributes["perdure.step.name"] == "look_up"
    [agent] = receiver.named("invoke_agent Keeper")
    assert agent.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert agent.attributes["gen_ai.agent.name"] == "Keeper"
    assert "socks" not in str([span.attributes for span in receiver.spans]), "what was said is not told"


async def test_a_failure_is_an_error_of_the_invocation_and_of_its_attempt(
    shop: EmbeddedEngine, receiver: OtlpReceiver
) -> None:
    assert (await call(shop.ingress_url, "fail")).status_code == 409
    await receiver.until("Shop/fail", "attempt 1", "accept Shop/fail")

    assert receiver.named("Shop/fail")[0].error == "409: closed"
    assert receiver.named("attempt 1")[0].error == "409: closed"
    assert receiver.named("accept Shop/fail")[0].error is None, "accepting it did not fail"


async def test_a_run_whose_process_is_killed_is_one_trace_and_no_span_ends_twice(
    shop: EmbeddedEngine, receiver: OtlpReceiver, directory: Path
) -> None:
    (hold := directory / "hold").touch()
    async with httpx2.AsyncClient(base_url=shop.ingress_url, timeout=30) as client:
        sent = await client.post("/Shop/ask/send", json="socks?", headers={"idempotency-key": "killed"})
        invocation_id = sent.json()["invocationId"]
        await receiver.until("chat")
        with anyio.fail_after(20):
            while hold.exists():  # noqa: ASYNC110 - the tool takes it away
                await anyio.sleep(0.01)
        await shop.restart()
        attached = await client.get(f"/restate/invocation/{invocation_id}/attach")
        assert attached.json() == "seven"
    await receiver.until(*KEPT, "attempt 2")

    assert len({span.trace_id for span in receiver.spans}) == 1
    assert Counter(span.id for span in receiver.spans).most_common(1)[0][1] == 1
    ids = {span.id for span in receiver.spans}
    assert [span.name for span in receiver.spans if span.parent not in ids] == ["accept Shop/ask"]
    # Of the model's three answers one was before the death; the tool that was cut off has no end there.
    assert Counter(span.name for span in receiver.spans) == Counter(
        {
            "accept Shop/ask": 1,
            "Shop/ask": 1,
            "attempt 1": 2,  # the other one is of Stock/count
            "attempt 2": 1,
            "invoke_agent Keeper": 1,
            "chat": 3,
            "execute_tool look_up": 1,
            "execute_tool ask_stock": 1,
            "note": 1,
            "Stock/count": 1,
        }
    )
    lost = next(s for s in receiver.named("attempt 1") if s.attributes["perdure.outcome"] == "lost")
    assert lost.error == "the process ended"
    [invocation] = receiver.named("Shop/ask")
    [agent] = receiver.named("invoke_agent Keeper")
    assert agent.parent == invocation.id, "it outlived its attempts"
    assert invocation.start_ns <= lost.start_ns <= lost.end_ns <= invocation.end_ns


async def test_beside_a_restate_server_the_handlers_half_joins_the_clients_trace(
    tmp_path: Path, receiver: OtlpReceiver
) -> None:
    if find_binary() is None:
        pytest.skip(WHY_MISSING)
    metrics = f"127.0.0.1:{free_port()}"
    env = receiver.env | {"OTEL_SERVICE_NAME": "shop", "PERDURE_METRICS": metrics}
    async with running(engine("restate-server", traced_shop.__file__, tmp_path, env=env)) as server:
        assert (await call(server.ingress_url, "ask", TRACEPARENT)).json() == "seven"
        await receiver.until("invoke_agent Keeper")
        async with httpx2.AsyncClient() as client:
            scraped = (await client.get(f"http://{metrics}/metrics")).text

    assert 'perdure_model_calls_total{agent="Keeper",model=""} 3.0' in scraped
    assert {span.trace_id for span in receiver.spans} == {TRACE}
    assert list(receiver.tree(CLIENT)) == [
        "invoke_agent Keeper",
        "  chat",
        "  execute_tool look_up",
        "  chat",
        "  execute_tool ask_stock",
        "    note",
        "  chat",
    ]
    assert {span.resource["service.name"] for span in receiver.spans} == {"shop"}
