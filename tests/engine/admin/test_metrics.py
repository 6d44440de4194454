"""`/metrics`, scraped and read as Prometheus does."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import restate
from agents import Agent
from prometheus_client.parser import text_string_to_metric_families

from perdure import DurableRunner, step
from perdure.durable import run
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

soon = restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=10))
service = restate.Service("Shop", invocation_retry_policy=soon)
basket = restate.VirtualObject("Basket")
tries: list[str] = []


@service.handler()
async def order(ctx: restate.Context, item: str) -> str:
    return await run(ctx, lambda: step("pay", lambda: f"paid {item}"))


@service.handler()
async def stumble(ctx: restate.Context, item: str) -> str:
    tries.append(item)
    if len(tries) == 1:
        raise ValueError("once")
    raise restate.TerminalError("for good", 409)


@service.handler()
async def ask(ctx: restate.Context, question: str) -> str:
    keeper = Agent(name="Keeper", model=ScriptedModel(["seven"]))
    return str((await DurableRunner.run(keeper, question)).final_output)


@basket.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(engine) -> Samples:
    answer = await engine.admin.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0)


async def test_invocations_attempts_retries_and_steps_are_counted(start_engine) -> None:
    tries.clear()
    async with start_engine(service) as engine:
        for item in ("socks", "shoes"):
            await engine.call("Shop/order", item)
        await engine.call("Shop/stumble", "hat")
        samples = await scrape(engine)

    order, stumble = ({"service": "Shop", "handler": handler} for handler in ("order", "stumble"))
    assert value(samples, "perdure_invocations_completed_total", **order, outcome="succeeded") == 2
    assert value(samples, "perdure_invocations_completed_total", **stumble, outcome="failed") == 1
    assert value(samples, "perdure_attempts_ended_total", **order, outcome="succeeded") == 2
    assert value(samples, "perdure_attempts_ended_total", **stumble, outcome="retried") == 1
    assert value(samples, "perdure_attempts_ended_total", **stumble, outcome="failed") == 1
    assert value(samples, "perdure_steps_total", **order) == 2
    assert value(samples, "perdure_invocation_duration_seconds_count", **order) == 2
    assert 0 < value(samples, "perdure_invocation_duration_seconds_sum", **stumble) < 10
    commits = value(samples, "perdure_commit_duration_seconds_count")
    assert commits >= 6
    assert value(samples, "perdure_commit_inputs_sum") >= commits
    assert value(samples, "perdure_journal_entries_total") >= 9
    assert value(samples, "perdure_journal_bytes_total") > 50


async def test_what_the_store_holds_is_read_from_it(start_engine) -> None:
    async with start_engine(service, basket) as engine:
        await engine.call("Shop/order", "socks")
        first, second = [await engine.send("Basket/mine/hold") for _ in range(2)]
        await engine.when(first, lambda view: view["status"] in ("running", "suspended"))
        samples = await scrape(engine)

    assert value(samples, "perdure_invocations", service="Shop", handler="order", state="succeeded") == 1
    held = {"service": "Basket", "handler": "hold"}
    assert value(samples, "perdure_invocations", **held, state="pending") == 1
    assert value(samples, "perdure_inbox_invocations", service="Basket") == 1
    assert value(samples, "perdure_attempts_running") + value(
        samples, "perdure_invocations", **held, state="suspended"
    ) == pytest.approx(1)
    assert value(samples, "perdure_timers", kind="purge") == 1
    assert value(samples, "perdure_store_bytes", file="database") > 0
    assert value(samples, "process_resident_memory_bytes") > 0, "of the process, too"
    assert second not in str(samples), "no ids"
    assert "mine" not in str(samples), "and no keys"


async def test_model_calls_and_their_tokens_are_counted_by_agent(start_engine) -> None:
    async with start_engine(service) as engine:
        before = await scrape(engine)
        await engine.call("Shop/ask", "how many?")
        after = await scrape(engine)

    def more(name: str, **labels: str) -> float:
        named = {"agent": "Keeper", "model": ""} | labels
        return value(after, name, **named) - value(before, name, **named)

    assert more("perdure_model_calls_total") == 1
    assert more("perdure_model_tokens_total", type="input") > 0
    assert more("perdure_model_tokens_total", type="output") > 0


async def test_names_and_labels_are_few_and_described(start_engine) -> None:
    async with start_engine(service) as engine:
        await engine.call("Shop/order", "socks")
        text = (await engine.admin.get("/metrics")).text

    ours = [f for f in text_string_to_metric_families(text) if f.name.startswith("perdure_")]
    assert len(ours) == len({family.name for family in ours}) > 15
    assert all(family.documentation for family in ours)
    labels = {label for family in ours for sample in family.samples for label in sample.labels}
    assert labels <= {
        "service", "handler", "state", "outcome", "kind", "file", "agent", "model", "type", "le", "version",
    }  # fmt: skip
    assert not re.search(r"inv_1\w{20}", text)
