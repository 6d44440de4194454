"""Readers of a journal are told about a step beside its outcome, and a replay does not care what."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from journal_server import JournalServer, serve, value_of

from perdure import RetryPolicy, effect, step
from perdure.durable.about import about
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio


def envelopes(server: JournalServer) -> list[dict[str, Any]]:
    return [json.loads(entry.value.content) for entry in server.entries(MessageType.RUN_COMPLETION)]


async def one() -> int:
    return 1


async def test_a_step_has_the_facts_of_the_blocks_around_it_and_the_inner_one_counts() -> None:
    async def main() -> None:
        await step("bare", one)
        with about(who="outer", where="here"), about(who="inner"):
            await step("told", one)
        await step("bare again", one)

    server = serve(main)
    await server.run()
    assert envelopes(server) == [{"ok": 1}, {"about": {"who": "inner", "where": "here"}, "ok": 1}, {"ok": 1}]


async def test_the_facts_stand_first_for_who_reads_only_the_beginning_of_a_long_value() -> None:
    async def main() -> None:
        with about(who="me"):
            await step("long", lambda: "x" * 10_000)

    server = serve(main)
    await server.run()
    (completion,) = server.entries(MessageType.RUN_COMPLETION)
    assert completion.value.content.startswith(b'{"about":{"who":"me"},"ok":"xxx')


async def test_a_fact_may_follow_from_the_result_and_a_failed_try_has_the_others() -> None:
    tries: list[int] = []

    async def flaky() -> dict[str, int]:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("line is busy")
        return {"tokens": 7}

    async def main() -> Any:
        with about(lambda result: {"cost": result["tokens"] * 2, "nothing": None}, who="me", none=None):
            return await step("flaky", flaky, retry=RetryPolicy(initial_delay_ms=1))

    server = serve(main)
    assert value_of(await server.run()) == {"tokens": 7}
    failed, made = envelopes(server)
    assert failed["about"] == {"who": "me"}
    assert failed["error"]["message"] == "line is busy"
    assert made == {"about": {"who": "me", "cost": 14}, "ok": {"tokens": 7}}


async def test_tasks_and_effects_in_the_block_are_told_of_too() -> None:
    async def main() -> None:
        with about(who="me"):
            await asyncio.gather(step("a", one), effect("pay", one))

    server = serve(main)
    await server.run()
    assert [envelope["about"] for envelope in envelopes(server)] == [{"who": "me"}] * 3


BEFORE_AND_NOW = [({"who": "me"}, {}), ({}, {"who": "me"}), ({"who": "me"}, {"who": "you", "new": True})]


@pytest.mark.parametrize(("before", "now"), BEFORE_AND_NOW)
async def test_a_replay_goes_on_whatever_today_s_code_tells(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    facts = before

    async def main() -> Any:
        with about(**facts):
            first = await step("first", lambda: "recorded")
            await step("second", one)
        return first

    earlier = serve(main)
    await earlier.run()
    journal = list(earlier.journal)
    facts, later = now, serve(main)
    for end in range(2, len(journal)):
        later.resume_from(journal[:end])
        assert value_of(await later.run()) == "recorded"
