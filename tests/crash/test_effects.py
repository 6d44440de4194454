"""A payment agent is killed with SIGKILL before its claim, before its effect, before and after its record."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from bank import Bank, open_bank
from child_process import PERDURE
from embedded_engine import EmbeddedEngine
from engines import EngineName, RestateServerWithEndpoint, engine, running

AGENT = str(Path(__file__).with_name("payment_agent.py"))
GATES = ("before the claim", "claimed", "paid", "recorded")

pytestmark = [pytest.mark.crash, pytest.mark.anyio, pytest.mark.timeout(240)]


class Shop:
    """A running engine with the payment agent, its bank, and a client."""

    def __init__(self, service: EmbeddedEngine | RestateServerWithEndpoint, bank: Bank) -> None:
        self.service, self.bank = service, bank
        self.http = httpx2.AsyncClient(timeout=60)

    async def killed_at(self, gate: str, policy: str) -> str:
        """The invocation id of a payment whose process was killed while it waited at the gate."""
        invocation = await self.waiting_at(gate, policy)
        await self.kill()
        return invocation

    async def waiting_at(self, gate: str, policy: str, handler: str = "settle") -> str:
        self.bank.requests.clear()
        self.bank.shut_gate(gate)
        url = f"{self.service.ingress_url}/Payments/{handler}/send"
        sent = (await self.http.post(url, json=policy)).json()
        assert await anyio.to_thread.run_sync(self.bank.held.wait, 30), f"nobody came to {gate!r}"
        return str(sent["invocationId"])

    async def kill(self) -> None:
        victim = self.service if isinstance(self.service, EmbeddedEngine) else self.service.endpoint
        victim.kill()
        await victim.start()

    async def answer(self, invocation: str) -> Any:
        url = f"{self.service.ingress_url}/restate/invocation/{invocation}/attach"
        return (await self.http.get(url)).json()

    async def journal_holds(self, invocation: str, name: str) -> bool:
        query = f"SELECT name FROM sys_journal WHERE id = '{invocation}' AND name = '{name}'"
        url, headers = f"{self.service.admin_url}/query", {"accept": "application/json"}
        return bool((await self.http.post(url, json={"query": query}, headers=headers)).json()["rows"])

    async def decide(self, invocation: str, *decision: str) -> None:
        """A human's word on the question of an invocation, once it is asked."""
        with anyio.fail_after(30):
            while (question := await self._question(invocation)) is None:  # noqa: ASYNC110 - of a process
                await anyio.sleep(0.05)
        verb, *options = decision
        done = await self._approvals(verb, question, *options)
        assert done.returncode == 0, done.stderr

    async def _question(self, invocation: str) -> str | None:
        listed = json.loads((await self._approvals("list", "--json")).stdout)
        return next((str(each["id"]) for each in listed if each["invocation_id"] == invocation), None)

    async def _approvals(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [PERDURE, "approvals", *arguments, "--admin", self.service.admin_url]
        return await anyio.to_thread.run_sync(
            lambda: subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        )


@asynccontextmanager
async def shop(name: EngineName, directory: Path) -> AsyncIterator[Shop]:
    with open_bank() as (bank, url):
        service = engine(name, AGENT, directory, env={"BANK_URL": url})
        async with running(service):
            yield Shop(service, bank)


async def test_each_policy_at_each_moment(engine_name: EngineName, tmp_path: Path) -> None:
    async with shop(engine_name, tmp_path) as shop_:
        for policy in ("fail", "retry", "reconcile"):
            for gate in GATES:
                invocation = await shop_.killed_at(gate, policy)
                key = f"{invocation}/call_0_0"
                answer = await shop_.answer(invocation)
                requests, receipt = shop_.bank.requests, shop_.bank.payments.get(key)
                told = (policy, gate, answer, requests)
                assert set(requests) <= {key}, told
                if gate in ("before the claim", "recorded"):
                    assert answer == receipt, told
                    assert len(requests) == 1, told
                elif policy == "fail":
                    assert answer == f"unknown: {key}", told
                    assert len(requests) == (1 if gate == "paid" else 0), told
                else:
                    again = (
                        policy == "retry" and gate == "paid"
                    )  # asked for twice, and paid once: it has a key
                    assert answer == receipt, told
                    assert len(requests) == (2 if again else 1), told


async def test_a_human_decides_on_a_payment_of_which_nobody_knows(
    engine_name: EngineName, tmp_path: Path
) -> None:
    async with shop(engine_name, tmp_path) as shop_:
        invocation = await shop_.killed_at("claimed", "ask")
        await shop_.decide(invocation, "approve")
        assert await shop_.answer(invocation) == shop_.bank.payments[f"{invocation}/call_0_0"]
        assert len(shop_.bank.requests) == 1

        invocation = await shop_.killed_at("paid", "ask")
        await shop_.decide(invocation, "reject", "--message", "it is on the statement")
        assert await shop_.answer(invocation) == "it is on the statement"
        assert len(shop_.bank.requests) == 1


async def test_a_model_call_in_flight_at_the_kill_is_counted_apart(
    engine_name: EngineName, tmp_path: Path
) -> None:
    async with shop(engine_name, tmp_path) as shop_:
        invocation = await shop_.waiting_at("before the claim", "retry", handler="count")
        with anyio.fail_after(20):
            # the embedded engine writes it within 50 ms
            while not await shop_.journal_holds(invocation, "call LLM"):  # noqa: ASYNC110 - of a process
                await anyio.sleep(0.02)
        await shop_.kill()
        assert await shop_.answer(invocation) == [2, 1]
