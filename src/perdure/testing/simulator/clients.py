"""Clients of the ingress: slow ones, ones that leave, ones that ask again."""

from __future__ import annotations

import asyncio

from perdure.engine.core.model import Target
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol import ids
from perdure.testing.simulator.ledger import Ledger
from perdure.testing.simulator.scenario import KEYS, RANK, WORKFLOW

_TARGETS = [WORKFLOW, *RANK]  # workflows need two clients: one that starts them, one that approves


class Client:
    """One request, made again until it has its answer."""

    def __init__(
        self, number: int, target: str, key: str, idempotency_key: str | None, delay_ms: int
    ) -> None:
        service, handler = target.split("/")
        self.target = Target(service, handler, key)
        self.idempotency_key = idempotency_key
        self.delay_ms = delay_ms
        self.is_acknowledged = False
        self.is_done = False
        """It has its answer, or has given up."""
        if target == WORKFLOW:
            self.id = ids.workflow_invocation_id(service, key)
        elif idempotency_key:
            self.id = ids.idempotent_invocation_id(service, handler, key, idempotency_key)
        else:
            self.id = ids.encode_invocation_id(number.to_bytes(24, "big"))
        self._may_ask_again = target == WORKFLOW or idempotency_key is not None
        self._has_asked = False
        self.task: asyncio.Task[None] | None = None
        self._patience: asyncio.Future[None] | None = None

    @classmethod
    def of(cls, number: int, a: int, b: int) -> Client:
        """The client that two numbers of a step stand for."""
        target = _TARGETS[a % len(_TARGETS)]
        key = KEYS[target][b % 2] if target in KEYS else ""
        idempotency_key = f"key {b % 3}" if target != WORKFLOW and a % 3 == 0 else None
        return cls(number, target, key, idempotency_key, delay_ms=b % 7 * 40 if b % 11 == 0 else 0)

    @property
    def is_idle(self) -> bool:
        """It has no request under way, and should have."""
        return not self.is_done and (self.task is None or self.task.done())

    @property
    def is_slow(self) -> bool:
        """It was acknowledged, and has not yet asked for its result."""
        return self._patience is not None and not self._patience.done()

    def ask(self, engine: Engine, ledger: Ledger) -> None:
        """Make the request, or make it again."""
        if not self.is_idle:
            return
        if self.is_acknowledged or not self._has_asked or self._may_ask_again:
            self._has_asked = True
            self.task = asyncio.get_running_loop().create_task(self._ask(engine, ledger))
        else:
            self.is_done = True  # nobody knows if it was accepted: a client without a key cannot ask again

    def go_on(self) -> None:
        """A slow one asks for its result now."""
        if self._patience is not None and not self._patience.done():
            self._patience.set_result(None)

    def leave(self) -> None:
        """It closes its connection, and does not come back. What was accepted goes on."""
        self.is_done = True
        if self.task is not None:
            self.task.cancel()

    def engine_died(self) -> None:
        """Its connection is gone."""
        abandon(self.task)
        self._patience = self.task = None

    async def _ask(self, engine: Engine, ledger: Ledger) -> None:
        try:
            if not self.is_acknowledged:
                at_ms = engine.clock_ms() + self.delay_ms if self.delay_ms else None
                await engine.requests.invoke(self.id, self.target, b"", (), self.idempotency_key, at_ms)
                self.is_acknowledged = True
                ledger.acknowledged(self.id)
            self._patience = asyncio.get_running_loop().create_future()
            await self._patience
            result = await engine.requests.result(self.id)
        except RequestError as error:
            if error.status == 404:  # purged: its retention is over
                ledger.check(self.id not in ledger.rows, f"{self.id} was accepted and is not found")
                self.is_done = True
            return
        ledger.answered(self.id, result)
        self.is_done = True


def abandon(task: asyncio.Task[None] | None) -> None:
    """Its loop will not run again."""
    if task is not None and not task.done() and (coroutine := task.get_coro()) is not None:
        coroutine.close()
