"""`perdure serve`: what its user sees, and a service endpoint that stops in order."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pyqwest
import pytest
from free_port import free_port
from restate_server import RestateServer

Start = Callable[..., Any]

MANIFEST = "application/vnd.restate.endpointmanifest.v4+json"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def discover(url: str, version: pyqwest.HTTPVersion) -> dict[str, Any]:
    with pyqwest.SyncHTTPTransport(http_version=version) as transport:
        answer = pyqwest.SyncClient(transport).get(
            f"{url}/discover", headers={"accept": MANIFEST}, timeout=10
        )
    assert answer.status == 200
    manifest: dict[str, Any] = json.loads(answer.content)
    return manifest


def test_it_says_what_it_serves_and_how_to_register_it(start_perdure: Start) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    served = start_perdure("serve", "agent.py", "--bind", url.removeprefix("http://"))
    assert served.wait_for_output("register").splitlines() == [
        f"serving Agent/greet, Agent/nap, Agent/work, Agent/fail of agent.py at {url}",
        f"register it once:  perdure deployments register {url}",
    ]
    assert discover(url, pyqwest.HTTPVersion.HTTP2)["protocolMode"] == "BIDI_STREAM"
    assert httpx2.get(f"{url}/health").status_code == 200, "HTTP/1.1 is for curl and for probes"


def test_port_0_takes_a_free_port_and_names_it(start_perdure: Start) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "localhost:0")
    url = served.wait_for_output("register").split()[-1]
    assert httpx2.get(f"{url}/health").status_code == 200


def test_a_port_in_use_is_one_line_that_names_the_option(
    start_perdure: Start, perdure: Callable[..., Any]
) -> None:
    first = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0")
    address = first.wait_for_output("register").split()[-1].removeprefix("http://")
    second = perdure("serve", "agent.py", "--bind", address)
    assert second.returncode == 2
    assert second.stderr == (f"perdure: {address} is in use by another program: choose another with --bind\n")


def test_a_host_that_is_not_ours_is_one_line(perdure: Callable[..., Any]) -> None:
    for host in ("203.0.113.1", "no-such-host.invalid"):
        done = perdure("serve", "agent.py", "--bind", f"{host}:9080")
        assert done.returncode == 2
        assert done.stderr.startswith(f"perdure: cannot listen on {host}:9080: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_of_it_with_exit_code_0(start_perdure: Start, with_signal: signal.Signals) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0", "--workers", "2")
    url = served.wait_for_output("register").split()[-1]
    discover(url, pyqwest.HTTPVersion.HTTP2)  # a request: from now on the SDK owns the worker's SIGTERM
    workers = workers_of(served.process.pid)
    assert len(workers) == 2
    assert served.stop(with_signal, timeout_s=9) == 0  # less than --drain-s: nobody had to be killed
    assert not any(is_alive(worker) for worker in workers)
    assert len(served.output.splitlines()) == 2, "nothing but the banner"


def test_ctrl_c_in_a_terminal_reaches_the_workers_too_and_is_no_noise(start_perdure: Start) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0", "--workers", "2")
    served.wait_for_output("register")
    os.killpg(served.process.pid, signal.SIGINT)
    assert served.process.wait(timeout=9) == 0
    assert len(served.output.splitlines()) == 2


def test_workers_do_not_outlive_a_killed_parent(start_perdure: Start) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0", "--workers", "2")
    served.wait_for_output("register")
    workers = workers_of(served.process.pid)
    served.process.kill()
    deadline = time.monotonic() + 5
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "an orphan holds the port"
        time.sleep(0.01)


def test_a_worker_that_dies_ends_the_command_with_exit_code_1(start_perdure: Start) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0")
    served.wait_for_output("register")
    os.kill(workers_of(served.process.pid)[0], signal.SIGKILL)
    assert served.process.wait(timeout=10) == 1
    assert served.output.endswith("perdure: a worker process died, and the others were stopped\n")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RestateServer]:
    server = RestateServer(tmp_path)
    try:
        await server.start()
        yield server
    finally:
        server.kill()


async def call(server: RestateServer, handler: str, body: object, times: int = 1) -> list[httpx2.Response]:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=server.ingress_url, timeout=60, limits=limits) as client:
        calls = [client.post(f"/Agent/{handler}", json=body) for _ in range(times)]
        return await asyncio.gather(*calls)


async def wait_for_journal(server: RestateServer, entry_type: str) -> None:
    query = f"SELECT id FROM sys_journal WHERE entry_type = '{entry_type}'"
    deadline = time.monotonic() + 20
    while not await server.query(query):
        assert time.monotonic() < deadline, f"no {entry_type} was ever journaled"
        await asyncio.sleep(0.05)


@pytest.mark.restate
@pytest.mark.anyio
async def test_restate_server_calls_it_both_ways_on_one_stream(
    server: RestateServer, start_perdure: Start
) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0")
    url = served.wait_for_output("register").split()[-1]
    await server.register(url)
    [answer] = await call(server, "greet", "Ada")
    assert answer.json() == "hello Ada, rested"
    deployments = await asyncio.to_thread(httpx2.get, f"{server.admin_url}/deployments")
    [deployment] = deployments.json()["deployments"]
    assert (deployment["protocol_type"], deployment["http_version"]) == ("BidiStream", "HTTP/2.0")


@pytest.mark.restate
@pytest.mark.anyio
async def test_500_handlers_run_at_once_on_two_workers(
    server: RestateServer, start_perdure: Start, folder: Path
) -> None:
    served = start_perdure("serve", "agent.py", "--bind", "127.0.0.1:0", "--workers", "2")
    await server.register(served.wait_for_output("register").split()[-1])
    answers = await call(server, "work", 8, times=500)
    assert [answer.json() for answer in answers] == [42] * 500
    changes = [1 if word == "began" else -1 for word in (folder / "effects").read_text().split()]
    assert max(itertools.accumulate(changes)) == 500, "something limits the streams"


@pytest.mark.restate
@pytest.mark.anyio
async def test_a_stop_records_running_steps_and_suspends_what_waits(
    server: RestateServer, start_perdure: Start, folder: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    served = start_perdure("serve", "agent.py", "--bind", address)
    served.wait_for_output("register")
    await server.register(f"http://{address}")
    working = asyncio.create_task(call(server, "work", 1.5))
    napping = asyncio.create_task(call(server, "nap", 3))
    await wait_for_journal(server, "Command: Run")
    await wait_for_journal(server, "Command: Sleep")

    assert await asyncio.to_thread(served.stop, signal.SIGTERM, 9) == 0
    again = start_perdure("serve", "agent.py", "--bind", address)
    await asyncio.to_thread(again.wait_for_output, "register")

    [worked], [napped] = await working, await napping
    assert worked.json() == 42
    assert napped.json() == "rested"
    assert (folder / "effects").read_text() == "began ended ", "the step ran to its end, once"


@pytest.mark.restate
@pytest.mark.anyio
async def test_a_step_longer_than_the_drain_is_cut_and_run_again(
    server: RestateServer, start_perdure: Start, folder: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    served = start_perdure("serve", "agent.py", "--bind", address, "--drain-s", "1")
    served.wait_for_output("register")
    await server.register(f"http://{address}")
    working = asyncio.create_task(call(server, "work", 4))
    await wait_for_journal(server, "Command: Run")

    began = time.monotonic()
    assert await asyncio.to_thread(served.stop, signal.SIGTERM, 9) == 0
    assert time.monotonic() - began < 3
    start_perdure("serve", "agent.py", "--bind", address)

    [worked] = await working
    assert worked.json() == 42
    assert (folder / "effects").read_text() == "began began ended "


def test_a_bound_socket_of_another_program_is_a_port_in_use(perdure: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"{address} is in use" in perdure("serve", "agent.py", "--bind", address).stderr
