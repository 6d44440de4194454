"""Where attempts publish: each has a sink for as long as it is under way, and a header that leads to it.

A handler in this process finds its sink by the token in the header; one elsewhere posts to the ingress, and
the token is its bearer token. It is the attempt's own: who has heard it can publish for this attempt, and do
nothing else.
"""

from __future__ import annotations

import hmac
import secrets

from perdure.engine.runtime.requests import Requests
from perdure.errors import RequestError
from perdure.streams.append import Batch
from perdure.streams.sink import HEADER, AttemptOver, forget, register


class AttemptSink:
    """The streams of one attempt. See `perdure.streams.sink.Sink`."""

    def __init__(self, requests: Requests, invocation_id: str, attempt: int) -> None:
        self.attempt = attempt
        self.token = secrets.token_urlsafe()
        self.is_open = True
        self._requests = requests
        self._invocation_id = invocation_id

    async def append(self, stream: str, batch: Batch) -> None:
        if not self.is_open:
            raise AttemptOver(f"attempt {self.attempt} of invocation '{self._invocation_id}' is over")
        try:
            await self._requests.publish(self._invocation_id, self.attempt, stream, batch)
        except RequestError as refused:
            if refused.status in (404, 410):
                raise AttemptOver(refused.message) from None
            raise ConnectionError(refused.message) from refused


class Publishing:
    """The sinks of the attempts under way."""

    def __init__(self, requests: Requests, ingress_url: str) -> None:
        """`ingress_url`: the ingress, as deployments elsewhere reach it."""
        self._requests = requests
        self._ingress_url = ingress_url
        self._sinks: dict[str, AttemptSink] = {}

    def open(self, invocation_id: str, attempt: int, *, is_local: bool) -> dict[str, str]:
        """A sink for an attempt that begins. Returns the headers that tell the handler of it."""
        self.close(invocation_id)
        sink = self._sinks[invocation_id] = AttemptSink(self._requests, invocation_id, attempt)
        if is_local:
            return {HEADER: register(sink.token, sink)}
        return {HEADER: f"{self._ingress_url}/restate/streams/{invocation_id}/{attempt};{sink.token}"}

    def close(self, invocation_id: str) -> None:
        """The attempt is over."""
        if sink := self._sinks.pop(invocation_id, None):
            sink.is_open = False
            forget(sink.token)

    def sink(self, invocation_id: str, attempt: int, token: str) -> AttemptSink:
        """The sink that a request names. Raises RequestError: 410 when the attempt is over, 401 for a token
        that is not the attempt's."""
        sink = self._sinks.get(invocation_id)
        if sink is None or sink.attempt != attempt:
            raise RequestError(410, f"attempt {attempt} of invocation '{invocation_id}' is over")
        if not hmac.compare_digest(sink.token.encode(), token.encode()):
            raise RequestError(401, "the bearer token is not this attempt's")
        return sink
