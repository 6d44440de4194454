"""One request and its answer, however many connections that takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from perdure.client.backoff import Backoff, Tries
from perdure.client.bodies import from_invocation
from perdure.errors import ConnectionLost

_CONNECT_TIMEOUT_S = 10.0
# A machine that is gone says nothing. So nobody waits longer than this on one connection; a call that still
# runs then is made once more, and found by its idempotency key.
_READ_TIMEOUT_S = 60.0
_FROM_A_PROXY = (502, 503, 504)
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_NEVER_WORKS = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Exchange:
    """An ingress, and how to try again with it."""

    http: httpx2.AsyncClient
    url: str
    headers: Mapping[str, str]
    backoff: Backoff

    async def request(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        repeatable: bool = True,
    ) -> httpx2.Response:
        """The answer, of whatever status. Not repeatable: tried again only while it cannot have arrived.

        Raises ConnectionLost.
        """
        tries = Tries(self.backoff)
        # Without a key nothing finds the invocation again, so its answer is waited for as long as it takes.
        timeout = httpx2.Timeout(_READ_TIMEOUT_S if repeatable else None, connect=_CONNECT_TIMEOUT_S)
        all_headers = {**self.headers, **(headers or {})}
        while True:
            cause = None
            try:
                response = await self.http.request(
                    method, self.url + path, content=content, headers=all_headers, timeout=timeout
                )
            except httpx2.ReadTimeout:
                tries.answered()
                continue
            except _NEVER_WORKS:
                raise
            except httpx2.TransportError as error:
                if not repeatable and not isinstance(error, _NEVER_SENT):
                    what = f"{method} {path} at {self.url} may have run: the connection broke"
                    raise ConnectionLost(f"{what}: {words_of(error)}") from error
                problem, cause = f"nothing answers at {self.url}: {words_of(error)}", error
            else:
                if not is_in_between(response) or not repeatable:
                    return response
                problem = f"{self.url} answers {response.status_code}"
            await tries.pause(problem, cause)

    @asynccontextmanager
    async def events(self, path: str, query: Mapping[str, str]) -> AsyncIterator[httpx2.EventSource]:
        """One connection to a stream. Its status is the caller's to look at."""
        async with self.http.sse(
            self.url + path,
            params=dict(query),
            headers={**self.headers, "accept": "text/event-stream"},
            timeout=httpx2.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            max_event_size=None,  # `end` holds the whole output
        ) as source:
            yield source


def is_in_between(response: httpx2.Response) -> bool:
    """Whether an answer says that nobody is there now: the engine starts or stops, say."""
    return response.status_code in _FROM_A_PROXY and not from_invocation(response)


def words_of(error: Exception) -> str:
    return str(error) or type(error).__name__
