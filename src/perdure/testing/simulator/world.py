"""Play a history: the scheduler, and everything around the engine."""

from __future__ import annotations

import asyncio
from asyncio.events import _set_running_loop
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from perdure.engine.core.model import Failure, Status, Success
from perdure.engine.runtime.options import EngineOptions
from perdure.errors import RequestError
from perdure.testing.simulator.clients import Client, abandon
from perdure.testing.simulator.ledger import Ledger
from perdure.testing.simulator.loop import SimulatedLoop
from perdure.testing.simulator.network import SimulatedNetwork
from perdure.testing.simulator.observed_engine import Disk, ObservedEngine
from perdure.testing.simulator.power import Fuse
from perdure.testing.simulator.program import NotificationId, Outcome
from perdure.testing.simulator.scenario import APPROVAL, KEYS, WORKFLOW, Scenario, Step

START_MS = 1_700_000_000_000
WAITS_MS = (1, 20, 150, 1000, 61_000)
INVOCATIONS_MAX = 25
LIVES_MAX = 20
EVENTS_TO_END_MAX = 20_000

Event = Callable[[], object]


def play(scenario: Scenario) -> list[str]:
    """What is broken in this history, the first cause first; [] when all is well."""
    return World(scenario).play()


def _new_loop(now_ms: int) -> SimulatedLoop:
    return SimulatedLoop(now_ms)  # type: ignore[abstract]  # what it lacks is I/O, and nobody may do any


class World:
    """Everything but the engine, and the engine's lives one after the other."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.ledger = Ledger()
        self.lives = 0
        """How often the engine was started."""
        self._fuse = Fuse()
        self._disk = Disk()
        self._clients: list[Client] = []
        self._errands: list[asyncio.Task[None]] = []
        self._effects = 0
        self._stumbles: Counter[tuple[str, int]] = Counter()
        self._unresolved: dict[tuple[str, int], None] = {}
        self._resolved: set[tuple[str, int]] = set()
        self._approved: set[str] = set()
        self._loop = _new_loop(START_MS)

    def play(self) -> list[str]:
        """Every step, and then whatever it takes until all is quiet."""
        try:
            self._start_engine()
            for step in self._scenario.steps:
                if self.ledger.broken:
                    return self.ledger.broken
                self._take(step)
                if step.kind != "both":
                    self._let_run()
            self._come_to_rest()
            return self.ledger.broken
        finally:
            self._loop.power_was_cut = True
            for task in (*self._errands, *(client.task for client in self._clients)):
                abandon(task)
            _set_running_loop(None)
            self._disk.close()

    # ---- Surroundings, for the handlers

    def now_ms(self) -> int:
        return self._loop.now_ms

    def effect(self, invocation_id: str, completion_id: int) -> bytes:
        self._effects += 1
        return f"effect {self._effects}".encode()

    def stumbles(self, invocation_id: str, op: int, times: int) -> bool:
        self._stumbles[invocation_id, op] += 1
        return self._stumbles[invocation_id, op] <= times

    def published(self, invocation_id: str, signal: int) -> None:
        if (invocation_id, signal) not in self._resolved:
            self._unresolved[invocation_id, signal] = None

    def heard(self, invocation_id: str, place: int, name: NotificationId, outcome: Outcome) -> None:
        self.ledger.heard(invocation_id, place, (name, outcome))

    def broken(self, what: str) -> None:
        self.ledger.check(False, what)

    # ---- the engine's lives

    def _start_engine(self) -> None:
        """Start one on what the disk holds. The power may be cut while it starts, too."""
        for _ in range(LIVES_MAX):
            self.lives += 1
            self._loop = _new_loop(self._loop.now_ms)
            _set_running_loop(self._loop)
            self._network = SimulatedNetwork(self._scenario.programs, self)
            options = EngineOptions(inactivity_timeout_ms=0 if self._scenario.always_replay else 60_000)
            self._engine = ObservedEngine(self._disk, self.ledger, self._fuse, self.now_ms, options)
            for client in self._clients:
                client.engine_died()
            for errand in self._errands:
                abandon(errand)
            self._errands.clear()
            started = self._spawn(self._serve())
            self._loop.run_ready()
            self._loop.power_was_cut |= not started.done()  # the loop stopped in the middle
            if started.done() and started.exception() is None and not self._loop.power_was_cut:
                self.ledger.compare(self._engine.store)
                return

    async def _serve(self) -> None:
        await self._engine.__aenter__()
        await self._engine.serve_app(self._network, "simulated")

    def _spawn(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(errand)

    def _let_run(self) -> None:
        self._loop.run_ready()
        for error in self._loop.errors:
            self.ledger.check(False, f"a callback of the engine raised: {error}")
        if self._loop.power_was_cut:
            self._start_engine()

    # ---- one step

    def _take(self, step: Step) -> None:
        match step.kind:
            case "go" | "both":
                if events := self._possible():
                    events[step.a % len(events)]()
            case "invoke" if len(self.ledger.rows) < INVOCATIONS_MAX:
                self._clients.append(Client.of(len(self._clients) + 1, step.a, step.b))
            case "wait":
                wait = self._loop.stall_until if step.b % 2 else self._loop.advance_to
                wait(self.now_ms() + WAITS_MS[step.a % len(WAITS_MS)])
            case "resolve" if self._unresolved or self._resolved:
                names = [*self._unresolved, *sorted(self._resolved)]
                self._errand(self._resolve(names[step.a % len(names)], step.b))
            case "verb" if self.ledger.rows:
                invocation_id = sorted(self.ledger.rows)[step.a % len(self.ledger.rows)]
                self._errand(self._verb(invocation_id, step.b))
            case "tear" if self._network.streams:
                self._loop.call_soon(self._network.streams[step.a % len(self._network.streams)].tear)
            case "fuse":
                self._fuse.points_left = step.a % 12
            case "crash":
                self._loop.power_was_cut = True
            case "refuse":
                self._disk.is_full = True
            case "leave" if self._clients:
                self._clients[step.a % len(self._clients)].leave()

    def _possible(self) -> list[Event]:
        """All that could happen next, if the scheduler lets it."""
        events: list[Event] = []
        # In the order in which they happened, among all callbacks: what they lead to may share a commit.
        soon = self._loop.call_soon
        for stream in self._network.streams:
            if stream.to_engine:
                events.append(partial(soon, stream.deliver_to_engine))
            if stream.to_handler:
                events.append(partial(soon, stream.deliver_to_handler))
            if stream.handler.running:
                events.append(partial(soon, stream.handler.closure_ends, self._effects))
        for client in self._clients:
            if client.is_idle:
                events.append(partial(soon, client.ask, self._engine, self.ledger))
            elif client.is_slow:
                events.append(partial(soon, client.go_on))
        at_ms = self._loop.next_timer_ms()
        if at_ms is not None and at_ms - self.now_ms() < WAITS_MS[-2]:
            events.append(partial(self._loop.advance_to, at_ms))
        return events

    # ---- clients

    def _errand(self, errand: Coroutine[Any, Any, None]) -> None:
        self._errands = [*(task for task in self._errands if not task.done()), self._spawn(errand)]

    async def _resolve(self, name: tuple[str, int], how: int) -> None:
        value = f"by {how}"
        result = Failure(500, value) if how % 4 == 0 else Success(value.encode())
        try:
            await self._engine.requests.signal(*name, result)
        except RequestError:
            return  # asked for again in the end
        self._unresolved.pop(name, None)
        self._resolved.add(name)

    async def _verb(self, invocation_id: str, which: int) -> None:
        requests = self._engine.requests
        verbs = [requests.cancel, requests.kill, requests.pause, requests.resume, requests.resume]
        try:
            await verbs[which % len(verbs)](invocation_id)
        except RequestError:
            return  # completed meanwhile, unknown, or the disk is full: nothing was promised

    # ---- the end

    def _come_to_rest(self) -> None:
        """No faults any more, and whoever can do something does it, in turn."""
        self._fuse.points_left = None
        self._disk.is_full = False
        self._let_run()
        for turn in range(EVENTS_TO_END_MAX):
            if self.ledger.broken:
                return
            events = self._possible()
            if events:
                events[turn % len(events)]()
            elif self._is_over():
                self.ledger.close(self._engine.store)
                return
            elif not self._push():
                self._pass_time()
            self._let_run()
        self.ledger.check(False, f"after {EVENTS_TO_END_MAX} events there is no end: {self._unfinished()}")

    def _unfinished(self) -> list[str]:
        rows = [row for row in self.ledger.rows.values() if row.status is not Status.COMPLETED]
        clients = [client for client in self._clients if not client.is_done]
        return [f"{row.id} ({row.target}) is {row.status}" for row in rows] + [
            f"a client waits for {client.id}" for client in clients
        ]

    def _is_over(self) -> bool:
        rows = self.ledger.rows.values()
        return all(row.status is Status.COMPLETED for row in rows) and all(c.is_done for c in self._clients)

    def _push(self) -> bool:
        """Do what the invocations wait for: those who should have done it have had their time."""
        if any(not task.done() for task in self._errands):
            return False
        for name in list(self._unresolved):
            row = self.ledger.rows.get(name[0])
            if row is None or row.status is Status.COMPLETED:
                del self._unresolved[name]
                continue
            self._errand(self._resolve(name, 1))
            return True
        for row in self.ledger.rows.values():
            if row.status is Status.PAUSED:
                self._errand(self._resume(row.id))
                return True
        return self._approve()

    async def _resume(self, invocation_id: str) -> None:
        await self._engine.requests.resume(invocation_id)

    def _approve(self) -> bool:
        """Have each workflow's promise completed: once, for nothing goes wrong any more."""
        for key in KEYS[WORKFLOW]:
            if key not in self._approved:
                self._approved.add(key)
                self._clients.append(Client(len(self._clients) + 1, APPROVAL, key, None, 0))
                return True
        return False

    def _pass_time(self) -> None:
        at_ms = self._loop.next_timer_ms()
        if at_ms is None:
            self.ledger.check(False, f"nothing can happen any more: {self._unfinished()}")
        else:
            self._loop.advance_to(at_ms)
