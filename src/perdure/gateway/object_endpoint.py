"""The endpoint at which restate-server finds the virtual object, and its registration there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import restate
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP2Settings
from granian.server.embed import Server

from perdure.errors import CommandError, EngineUnreachable
from perdure.gateway.stream_object import StreamObject

_STREAMS_PER_CONNECTION_MAX = 10_000
_STARTED_WITHIN_S = 10.0
_STOPPED_WITHIN_S = 1.0


@asynccontextmanager
async def object_endpoint(streams: StreamObject, host: str, port: int) -> AsyncIterator[None]:
    """Serve the object over HTTP/2 on this loop, for as long as the context is open.

    Raises CommandError when it does not come up.
    """
    app = restate.app([streams.service])
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        http2_settings=HTTP2Settings(max_concurrent_streams=_STREAMS_PER_CONNECTION_MAX),
        backpressure=_STREAMS_PER_CONNECTION_MAX,
        websockets=False,
        log_enabled=False,
    )
    logging.getLogger("_granian").setLevel(logging.CRITICAL + 1)
    serving = asyncio.create_task(server.serve())
    try:
        await _until_it_answers(f"http://{host}:{port}/health", serving)
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        # restate-server keeps its connection open, and granian would wait for that.
        await asyncio.wait({serving}, timeout=_STOPPED_WITHIN_S)
        serving.cancel()


async def register(admin_url: str, endpoint_url: str) -> None:
    """Tell the server where the object is. The same again changes nothing.

    Raises EngineUnreachable when no admin API is there, CommandError when it cannot use the endpoint.
    """
    try:
        async with httpx2.AsyncClient(timeout=30) as client:
            response = await client.post(
                f"{admin_url.rstrip('/')}/deployments", json={"uri": endpoint_url, "force": True}
            )
    except httpx2.TransportError as error:
        raise EngineUnreachable(
            f"cannot reach restate-server's admin API at {admin_url}: is --restate-admin right?"
        ) from error
    if response.is_error:
        raise CommandError(
            f"restate-server at {admin_url} cannot use {endpoint_url} ({response.status_code}: "
            f"{_message(response)}); --object-url says where it reaches this process"
        )


async def _until_it_answers(url: str, serving: asyncio.Task[None]) -> None:
    async with httpx2.AsyncClient(timeout=2) as client, asyncio.timeout(_STARTED_WITHIN_S):
        while not serving.done():
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.02)
    raise CommandError(f"the endpoint of the streams did not start at {url}: {serving.exception()}")


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError):
        return response.text[:200]
