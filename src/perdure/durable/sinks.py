"""Where the events of an attempt go: to the engine in this process, to one elsewhere, to restate-server."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from restate.context import Request

from perdure.streams.append import Batch, Gap
from perdure.streams.sink import HEADER, LOCAL, AttemptOver, Sink, local

if TYPE_CHECKING:
    from pyqwest import Client, FullResponse

logger = logging.getLogger("perdure.streams")

INGRESS_VARIABLE = "PERDURE_STREAMS"
_ANSWER_S_MAX = 10.0


def sink_of(request: Request) -> Sink | None:
    """The sink of the attempt that a request begins; None if nobody keeps streams for it."""
    if header := request.attempt_headers.get(HEADER):
        return local(header) if header.startswith(LOCAL) else EngineSink(header)
    if ingress_url := os.environ.get(INGRESS_VARIABLE):
        return RestateSink(ingress_url, request.id)
    _tell_how_to_have_streams()
    return None


@functools.cache  # so once a process
def _tell_how_to_have_streams() -> None:
    logger.info(
        "streams: nobody keeps what this process publishes, so it is dropped. Perdure's engine keeps it; "
        "beside restate-server, run `perdure gateway` and set %s to the ingress of restate-server",
        INGRESS_VARIABLE,
    )


class EngineSink:
    """Posts to the ingress of an embedded engine in another process."""

    def __init__(self, header: str) -> None:
        self._url, _, token = header.partition(";")
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self.attempt = int(self._url.rpartition("/")[2])

    async def append(self, stream: str, batch: Batch) -> None:
        body = {"stream": stream, **_as_json(batch)}
        answer = await _post(self._url, self._headers, body)
        if answer.status == 409:
            raise Gap(int(json.loads(answer.text())["count"]))
        if answer.status in (404, 410):
            raise AttemptOver(answer.text())
        _check(answer)


class RestateSink:
    """Calls the virtual object that keeps streams on restate-server.

    Nobody there counts attempts, and no clock is shared. So an attempt has a random id, and the object
    numbers the attempts of an invocation in the order in which it hears of them.
    """

    def __init__(self, ingress_url: str, invocation_id: str) -> None:
        self._url = ingress_url.rstrip("/")
        self._invocation_id = invocation_id
        self.attempt = secrets.randbits(53)

    async def append(self, stream: str, batch: Batch) -> None:
        key = quote(f"{self._invocation_id}/{stream}", safe="")
        headers = {"content-type": "application/json"}
        answer = await _post(f"{self._url}/perdure.Stream/{key}/append", headers, _as_json(batch))
        if answer.status == 409:
            raise Gap(int(json.loads(answer.text())["message"]))
        if answer.status == 404:
            logger.warning(
                "streams: %s has no service perdure.Stream, so events are dropped: run `perdure gateway`",
                self._url,
            )
            raise AttemptOver("there is no service perdure.Stream")
        if answer.status == 410:
            raise AttemptOver(answer.text())
        _check(answer)


def _as_json(batch: Batch) -> dict[str, object]:
    return {
        "source": batch.source,
        "attempt": batch.attempt,
        "offset": batch.offset,
        "events": [{"type": event.type, "payload": event.payload} for event in batch.events],
    }


@functools.cache
def _client() -> Client:
    from pyqwest import Client, HTTPTransport  # handlers beside an engine need none

    return Client(HTTPTransport())


async def _post(url: str, headers: dict[str, str], body: dict[str, object]) -> FullResponse:
    """Raises ConnectionError when it cannot be told what became of the request."""
    from pyqwest import ReadError, RemoteProtocolError, WriteError

    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        async with asyncio.timeout(_ANSWER_S_MAX):
            return await _client().post(url, headers, content)
    except (TimeoutError, ReadError, WriteError, RemoteProtocolError) as error:
        raise ConnectionError(f"no answer from {url}: {type(error).__name__} {error}") from error


def _check(answer: FullResponse) -> None:
    if answer.status >= 500 or answer.status in (408, 429):
        raise ConnectionError(f"HTTP {answer.status}: {answer.text()[:200]}")
    if answer.status >= 300:
        raise RuntimeError(f"HTTP {answer.status}: {answer.text()[:200]}")
