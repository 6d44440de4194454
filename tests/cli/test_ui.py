"""`perdure ui`: what its user sees in the terminal. Its pages: tests/browser/ui."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import httpx2
from free_port import free_port

Start = Callable[..., Any]


def test_it_says_where_it_is_and_waits_for_an_engine_that_is_away(start_perdure: Start, perdure: Any) -> None:
    admin, address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    server = start_perdure("ui", "--admin", admin, "--bind", address)
    server.wait_for_output(f"web UI at http://{address}/ui/ for the engine at http://{admin}")
    answer = httpx2.get(f"http://{address}/", follow_redirects=True)
    assert answer.status_code == 503
    assert f"cannot reach the engine&#39;s admin API at http://{admin}" in answer.text
    second = perdure("ui", "--bind", address)
    assert second.returncode == 2
    assert second.stderr == f"perdure: {address} is in use by another program: choose another with --bind\n"
    assert server.stop(signal.SIGTERM) == 0


def test_an_address_that_is_none_is_a_usage_error(perdure: Any) -> None:
    done = perdure("ui", "--admin", "ftp://engine", "--bind", f"127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert "--admin 'ftp://engine': write host:port or a URL" in done.stderr
