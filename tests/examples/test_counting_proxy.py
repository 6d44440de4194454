"""The demo's counts: what passes the proxy is counted once, and a caller's death is seen as one."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.demo.counting_proxy import CountingProxy

if TYPE_CHECKING:
    from .conftest import Serve


class Upstream:
    """Echoes what reaches it; answers `/v1/ask` with the statuses it was given, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        methods = ["GET", "POST"]
        self.app = Starlette(routes=[Route("/v1/{path}", self.answer, methods=methods)])

    async def answer(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        seen = {"query": request.url.query, "key": request.headers.get("authorization")}
        return JSONResponse(seen, self.statuses.pop(0) if self.statuses else 200)


def test_proxy_passes_on_what_it_counts_and_does_not_count_the_rest(serve: Serve) -> None:
    upstream = Upstream()
    with CountingProxy({"/": f"{serve(upstream.app)}/v1"}, counted=["/ask"]) as proxy:
        key = {"authorization": "Bearer secret"}
        answer = httpx2.post(f"{proxy.url}/ask?a=b", content=b"why", headers=key)
        httpx2.get(f"{proxy.url}/models")
    assert answer.json() == {"query": "a=b", "key": "Bearer secret"}
    assert upstream.bodies == [b"why", b""]
    assert [(call.path, call.body, call.answered) for call in proxy.calls] == [("/ask", b"why", True)]
    assert proxy.repeated() == []


def test_equal_of_an_answered_call_is_repeated_and_the_retry_of_a_failed_one_is_not(serve: Serve) -> None:
    with CountingProxy({"/": f"{serve(Upstream(500).app)}/v1"}, counted=["/ask"]) as proxy:
        statuses = [httpx2.post(f"{proxy.url}/ask", content=body).status_code for body in (b"1", b"1", b"2")]
        assert statuses == [500, 200, 200]
        assert proxy.repeated() == []
        httpx2.post(f"{proxy.url}/ask", content=b"1")
        assert proxy.repeated() == [proxy.calls[3]]
    assert len(proxy.calls) == 4


def test_held_call_is_never_passed_on_and_the_death_of_its_caller_is_seen(serve: Serve) -> None:
    upstream = Upstream()
    with CountingProxy({"/": f"{serve(upstream.app)}/v1"}, counted=["/ask"]) as proxy:
        arrived = proxy.hold_next()
        ask = f"import httpx2; httpx2.post('{proxy.url}/ask', content=b'held')"
        caller = subprocess.Popen([sys.executable, "-c", ask])
        assert arrived.wait(20)
        assert not proxy.calls[0].caller_died
        caller.send_signal(signal.SIGKILL)
        caller.wait(10)
        assert httpx2.post(f"{proxy.url}/ask", content=b"next").status_code == 200
    assert upstream.bodies == [b"next"]
    assert [call.caller_died for call in proxy.calls] == [True, False]
    assert [call.answered for call in proxy.calls] == [False, True]


@pytest.mark.parametrize("path", ["/ask", "/models"])
def test_upstream_out_of_reach_is_a_502_that_says_so(closed_address: str, path: str) -> None:
    with CountingProxy({"/": closed_address}, counted=["/ask"]) as proxy:
        answer = httpx2.get(f"{proxy.url}{path}")
    assert answer.status_code == 502
    assert f"{closed_address} is out of reach" in answer.text
    assert not any(call.answered for call in proxy.calls)
