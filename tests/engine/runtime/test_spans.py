"""How attempts and invocations end, as the SDK's own in-memory exporter hears of it; once each."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import restate
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from perdure import step
from perdure.durable import run

pytestmark = pytest.mark.anyio

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
soon = restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=10))
service = restate.Service("Shop", invocation_retry_policy=soon)
failed: list[str] = []


@service.handler()
async def order(ctx: restate.Context, item: str) -> str:
    return await run(ctx, lambda: step("pay", lambda: f"paid {item}"))


@service.handler(inactivity_timeout=timedelta(0))
async def rest(ctx: restate.Context, how_long_s: float) -> None:
    await ctx.sleep(timedelta(seconds=how_long_s))


@service.handler()
async def hang(ctx: restate.Context) -> None:
    await asyncio.Event().wait()


@service.handler()
async def stumble(ctx: restate.Context, item: str) -> str:
    if not failed:
        failed.append(item)
        raise ValueError("no socks")
    return item


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """A program that has configured OpenTelemetry itself."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # the API has no way to take one back
    failed.clear()
    return exporter


def outcomes(exporter: InMemorySpanExporter) -> list[tuple[str, str]]:
    """(name, outcome) of attempts and invocations, in the order of their ends."""
    return [
        (span.name, str(span.attributes["perdure.outcome"]))
        for span in exporter.get_finished_spans()
        if span.attributes and "perdure.outcome" in span.attributes
    ]


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    [span] = [span for span in exporter.get_finished_spans() if span.name == name]
    return span


async def test_an_attempt_that_fails_is_retried_in_the_same_trace(start_engine, exporter) -> None:
    async with start_engine(service) as engine:
        assert (await engine.call("Shop/stumble", "socks")).status_code == 200

    assert outcomes(exporter) == [
        ("attempt 1", "retried"),
        ("attempt 2", "succeeded"),
        ("Shop/stumble", "succeeded"),
    ]
    assert named(exporter, "attempt 1").status.description == "ValueError('no socks')"
    assert named(exporter, "Shop/stumble").status.is_ok
    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 1


async def test_a_suspended_attempt_is_no_error(start_engine, exporter) -> None:
    async with start_engine(service) as engine:
        await engine.call("Shop/rest", 0.02)

    assert outcomes(exporter) == [
        ("attempt 1", "suspended"),
        ("attempt 2", "succeeded"),
        ("Shop/rest", "succeeded"),
    ]
    assert all(span.status.is_ok for span in exporter.get_finished_spans())


async def test_killed_and_paused_attempts_are_cut(start_engine, exporter) -> None:
    async with start_engine(service) as engine:
        killed = await engine.send("Shop/hang")
        await engine.when(killed, lambda view: view["status"] == "running")
        await engine.admin.patch(f"/invocations/{killed}/kill")
        assert outcomes(exporter) == [("attempt 1", "cut"), ("Shop/hang", "failed")]

        exporter.clear()
        paused = await engine.send("Shop/hang")
        await engine.when(paused, lambda view: view["status"] == "running")
        await engine.admin.patch(f"/invocations/{paused}/pause")
        await engine.when(paused, lambda view: view["status"] == "paused")
        assert outcomes(exporter) == [("attempt 1", "cut")]


async def test_what_a_shutdown_cuts_is_told_by_the_next_process(start_engine, exporter) -> None:
    async with start_engine(service) as engine:
        hanging = await engine.send("Shop/hang")
        await engine.when(hanging, lambda view: view["status"] == "running")
    assert outcomes(exporter) == []

    async with start_engine(service) as engine:
        await engine.when(hanging, lambda view: view["status"] == "running")
        await engine.admin.patch(f"/invocations/{hanging}/kill")

    assert outcomes(exporter) == [("attempt 1", "lost"), ("attempt 2", "cut"), ("Shop/hang", "failed")]
    assert max(Counter(span.context.span_id for span in exporter.get_finished_spans()).values()) == 1


async def test_what_the_client_does_not_sample_is_not_told(start_engine, exporter) -> None:
    async with start_engine(service) as engine:
        await engine.call("Shop/order", "socks", traceparent=f"{CLIENT}-00")
        assert exporter.get_finished_spans() == ()
        await engine.call("Shop/order", "socks", traceparent=f"{CLIENT}-01")

    told = {span.name for span in exporter.get_finished_spans()}
    assert told == {"accept Shop/order", "Shop/order", "attempt 1", "pay"}


async def test_a_request_that_is_repeated_is_accepted_twice_and_run_once(start_engine, exporter) -> None:
    async with start_engine(service) as engine:
        for _ in range(2):
            await engine.call("Shop/order", "socks", **{"idempotency-key": "same"})

    assert Counter(span.name for span in exporter.get_finished_spans()) == {
        "accept Shop/order": 2,
        "Shop/order": 1,
        "attempt 1": 1,
        "pay": 1,
    }
    assert len({span.context.span_id for span in exporter.get_finished_spans()}) == 5
    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 1


async def test_what_a_step_traces_itself_is_below_the_step(start_engine, exporter) -> None:
    theirs = restate.Service("Theirs")

    @theirs.handler()
    async def order(ctx: restate.Context, item: str) -> str:
        def pay() -> str:
            with trace.get_tracer("bank").start_as_current_span("POST /payments"):
                return "paid"

        return await run(ctx, lambda: step("pay", pay))

    async with start_engine(theirs) as engine:
        await engine.call("Theirs/order", "socks")

    inner, around = named(exporter, "POST /payments"), named(exporter, "pay")
    assert inner.parent is not None
    assert inner.parent.span_id == around.context.span_id
    assert around.parent is not None
    assert around.parent.span_id == named(exporter, "attempt 1").context.span_id
