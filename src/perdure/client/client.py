"""The client of an ingress."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx2

from perdure.client.backoff import Backoff
from perdure.client.bodies import NO_BODY, answer_value, request_body
from perdure.client.event_stream import follow
from perdure.client.exchange import Exchange
from perdure.client.references import Reference, SendHandle, reference_path, target_path
from perdure.errors import InvocationFailed
from perdure.streams.assemble import Text, TextChange, answer_text
from perdure.streams.events import DEFAULT_NAME, END, StreamEvent

OWN_KEY = ""
"""A new idempotency key for each request."""


class Client:
    """Talks to one ingress, at a URL or `host:port`, through its restarts and broken connections.

    headers: of every request. backoff: of every request and reader; see Backoff. http: to use instead of a
    client of its own, which is then not closed either.

    Every method raises ConnectionLost, and RequestError where the ingress refuses.
    """

    def __init__(
        self,
        ingress: str,
        *,
        headers: Mapping[str, str] | None = None,
        backoff: Backoff | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._owned = None if http else httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None))
        url = ingress if "://" in ingress else f"http://{ingress}"
        client = http or self._owned
        assert client is not None
        self._exchange = Exchange(client, url.rstrip("/"), dict(headers or {}), backoff or Backoff())

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._owned is not None:
            await self._owned.aclose()

    async def call(
        self,
        target: str,
        body: object = NO_BODY,
        *,
        key: str | None = None,
        idempotency_key: str | None = OWN_KEY,
        headers: Mapping[str, str] | None = None,
        workflow: bool = False,
    ) -> Any:
        """Call `Service/handler` and wait for its output, for as long as it takes.

        A request whose connection breaks is made again, and does not run twice: it carries an idempotency
        key, one of its own where none is given. None sends none: such a request is not made again once it may
        have arrived. key: of a virtual object or a workflow. workflow: the handler is a workflow's run, which
        is idempotent by its key alone; where it was called before, its output is that of then.

        Raises InvocationFailed, also for an invocation that was cancelled or killed.
        """
        if workflow:
            return await self.attach(await self.send(target, body, key=key, headers=headers, workflow=True))
        response = await self._invoke(target_path(target, key), body, idempotency_key, headers)
        return answer_value(response)

    async def send(
        self,
        target: str,
        body: object = NO_BODY,
        *,
        key: str | None = None,
        delay: timedelta | None = None,
        idempotency_key: str | None = OWN_KEY,
        headers: Mapping[str, str] | None = None,
        workflow: bool = False,
    ) -> SendHandle:
        """As `call`, but returns once the request is on disk. delay: before it runs."""
        path = target_path(target, key) + "/send"
        if delay is not None:
            path += f"?delay={round(delay / timedelta(milliseconds=1))}ms"
        response = await self._invoke(path, body, idempotency_key, headers, workflow)
        told = answer_value(response)
        return SendHandle(told["invocationId"], told["status"] == "Accepted")

    async def attach(self, invocation: Reference) -> Any:
        """Wait for the output of an invocation. Raises as `call` does; RequestError(404): there is none."""
        return answer_value(await self._exchange.request("GET", f"{reference_path(invocation)}/attach"))

    async def output(self, invocation: Reference) -> Any:
        """The output of an invocation that has completed. Raises NotCompleted, and as `attach` does."""
        return answer_value(await self._exchange.request("GET", f"{reference_path(invocation)}/output"))

    async def stream(
        self, invocation: Reference, *, stream: str = DEFAULT_NAME, from_index: int = 0
    ) -> AsyncIterator[StreamEvent]:
        """The events of a stream, each once and in order, up to and with `end`.

        It may begin before, while and after the invocation runs. from_index: the first event; -N: the last N
        that there are now. Raises RequestError: 404 for an unknown or purged invocation, 416 for an index
        that the stream has not reached; StreamGap.
        """
        async for event in follow(self._exchange, reference_path(invocation), stream, from_index):
            yield event

    async def text_changes(
        self, invocation: Reference, *, stream: str = DEFAULT_NAME
    ) -> AsyncIterator[TextChange]:
        """The text of a run as it is written, and unwritten where a model was asked again after a crash.

        Raises InvocationFailed at its end, and as `stream` does.
        """
        text = Text()
        async for event in self.stream(invocation, stream=stream):
            if (change := text.add(event)) is not None:
                yield change
            _raise_failure(event)

    async def text(self, invocation: Reference, *, stream: str = DEFAULT_NAME) -> str:
        """The text of an agent's answer, once its run has ended: what the model said in its last message.

        Raises as `text_changes` does.
        """
        events = [event async for event in self.stream(invocation, stream=stream)]
        _raise_failure(events[-1])
        return answer_text(events)

    async def _invoke(
        self,
        path: str,
        body: object,
        idempotency_key: str | None,
        headers: Mapping[str, str] | None,
        workflow: bool = False,
    ) -> httpx2.Response:
        content, given = request_body(body)
        given |= headers or {}
        if idempotency_key is not None and not workflow:
            given["idempotency-key"] = idempotency_key or str(uuid4())
        repeatable = workflow or idempotency_key is not None
        return await self._exchange.request("POST", path, content, given, repeatable=repeatable)


def _raise_failure(event: StreamEvent) -> None:
    if event.type == END and event.data["status"] == "failed":
        raise InvocationFailed(event.data["code"], event.data["message"])
