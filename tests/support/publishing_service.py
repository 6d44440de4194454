"""A service whose handlers publish what a test tells them to, when it tells them to."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import restate

from perdure.streams import sink as sinks
from perdure.streams.append import Batch
from perdure.streams.events import DEFAULT_NAME, RUN, NewEvent
from perdure.streams.sink import Sink


def text(*words: str) -> tuple[NewEvent, ...]:
    """A text event a word."""
    return tuple(NewEvent.of("text", {"delta": word}) for word in words)


class Run:
    """One attempt of a handler, in the test's hands."""

    def __init__(self, sink: Sink, done: asyncio.Future[str]) -> None:
        self.sink = sink
        self._done = done
        self._published = 0

    async def publish(self, *words: str, stream: str = DEFAULT_NAME) -> None:
        """Text events of the run itself, into one stream only."""
        await self.sink.append(stream, Batch(RUN, (), self._published, text(*words)))
        self._published += len(words)

    def finish(self, output: str = "done") -> None:
        """Let the handler return."""
        self._done.set_result(output)

    def fail(self, message: str) -> None:
        """Let it fail for good."""
        self._done.set_exception(restate.TerminalError(message, status_code=422))


class Publisher:
    """`Publisher/run` as a service, and `Flow/{key}/run` as a workflow. `runs` are attempts as they begin."""

    def __init__(self) -> None:
        self.runs: asyncio.Queue[Run] = asyncio.Queue()
        service, flow = restate.Service("Publisher"), restate.Workflow("Flow")
        service.handler("run")(self._service)
        kept_no_longer = {"journal_retention": timedelta(0), "idempotency_retention": timedelta(0)}
        service.handler("fleeting", **kept_no_longer)(self._service)  # type: ignore[arg-type]
        flow.main("run")(self._workflow)
        self.services = (service, flow)

    async def _service(self, ctx: restate.Context) -> str:
        return await self._run(ctx)

    async def _workflow(self, ctx: restate.WorkflowContext) -> str:
        return await self._run(ctx)

    async def _run(self, ctx: restate.Context) -> str:
        sink = sinks.local(ctx.request().attempt_headers[sinks.HEADER])
        assert sink is not None
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.runs.put_nowait(Run(sink, done))
        return await done
