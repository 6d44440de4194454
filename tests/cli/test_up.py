"""`perdure up` and `perdure engine`: started, asked, stopped, killed and started again."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from free_port import free_port

Start = Callable[..., Any]
Perdure = Callable[..., "subprocess.CompletedProcess[str]"]


def addresses() -> tuple[str, str]:
    return f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"


def up(start_perdure: Start, ingress: str, admin: str) -> Any:
    server = start_perdure("up", "agent.py", "--ingress", ingress, "--admin", admin)
    server.wait_for_output("try ")
    return server


def facts(banner: str) -> dict[str, str]:
    """`word   the rest` of each line but the title."""
    pairs = (line.split(maxsplit=1) for line in banner.splitlines()[1:])
    return {name: value.strip() for name, value in pairs}


def test_the_banner_says_what_runs_where_and_its_curl_line_works(start_perdure: Start, folder: Path) -> None:
    ingress, admin = addresses()
    server = up(start_perdure, ingress, admin)
    said = facts(server.output)
    assert server.output.splitlines()[0].strip() == "perdure up agent.py"
    assert said == {
        "handlers": "Agent/greet, Agent/nap, Agent/work, Agent/fail",
        "ingress": f"http://{ingress}",
        "admin": f"http://{admin}",
        "UI": f"http://{admin}/ui/",
        "data": "perdure-data",
        "try": f"curl {ingress}/Agent/greet --json '\"...\"'",
    }
    _, url, _, body = shlex.split(said["try"])
    answer = httpx2.post(f"http://{url}", content=body, headers={"content-type": "application/json"})
    assert answer.json() == "hello ..., rested"
    assert (folder / "perdure-data").is_dir()


def test_addresses_and_the_data_directory_come_from_the_environment_too(
    start_perdure: Start, folder: Path
) -> None:
    ingress, admin = addresses()
    server = start_perdure(
        "up", "agent.py", PERDURE_INGRESS=ingress, PERDURE_ADMIN=admin, PERDURE_DATA_DIR="elsewhere"
    )
    said = facts(server.wait_for_output("try "))
    assert (said["ingress"], said["admin"]) == (f"http://{ingress}", f"http://{admin}")
    assert said["data"] == "elsewhere"
    assert (folder / "elsewhere").is_dir()
    assert httpx2.get(f"http://{admin}/health").status_code == 200


def test_port_0_takes_free_ports_and_names_them(start_perdure: Start) -> None:
    server = up(start_perdure, "127.0.0.1:0", "127.0.0.1:0")
    said = facts(server.output)
    assert httpx2.get(f"{said['admin']}/health").status_code == 200
    assert httpx2.post(f"{said['ingress']}/Agent/nap", json=0).json() == "rested"


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order_even_while_a_step_runs(
    start_perdure: Start, with_signal: signal.Signals
) -> None:
    ingress, admin = addresses()
    server = up(start_perdure, ingress, admin)
    banner = server.output
    httpx2.post(f"http://{ingress}/Agent/work/send", json=30)
    time.sleep(0.2)  # so that the step most likely runs; the test holds either way
    assert server.stop(with_signal, timeout_s=10) == 0
    assert server.output == banner, "no traceback, no task that was destroyed"


def test_a_second_signal_ends_it_even_while_a_handler_blocks_the_loop(
    start_perdure: Start, folder: Path
) -> None:
    (folder / "agent.py").write_text(
        """
import time
import restate

service = restate.Service("Agent")


@service.handler()
async def block(ctx: restate.Context) -> None:
    open("blocked", "w").close()
    time.sleep(60)


app = restate.app([service])
"""
    )
    ingress, admin = addresses()
    server = up(start_perdure, ingress, admin)
    httpx2.post(f"http://{ingress}/Agent/block/send")
    deadline = time.monotonic() + 10
    while not (folder / "blocked").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.process.send_signal(signal.SIGINT)
    time.sleep(0.3)  # two signals at once are one to the kernel
    assert server.stop(signal.SIGINT, timeout_s=5) == -signal.SIGINT


def test_after_sigkill_it_says_what_resumes_and_finishes_it(start_perdure: Start, folder: Path) -> None:
    ingress, admin = addresses()
    first = up(start_perdure, ingress, admin)
    sent = httpx2.post(f"http://{ingress}/Agent/work/send", json=1.0).json()
    deadline = time.monotonic() + 10
    while not (folder / "effects").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.kill()

    second = up(start_perdure, ingress, admin)
    assert facts(second.output)["resumed"] == "1 unfinished invocation"
    attached = httpx2.get(f"http://{ingress}/restate/invocation/{sent['invocationId']}/attach", timeout=20)
    assert attached.json() == 42
    second.stop(signal.SIGTERM)
    third = up(start_perdure, ingress, admin)
    assert "resumed" not in facts(third.output)


@pytest.mark.parametrize("option", ["--ingress", "--admin"])
def test_a_port_in_use_is_one_line_that_names_the_option(
    start_perdure: Start, perdure: Perdure, folder: Path, option: str
) -> None:
    ingress, admin = addresses()
    up(start_perdure, ingress, admin)
    other = {"--ingress": "127.0.0.1:0", "--admin": "127.0.0.1:0"}
    other[option] = ingress if option == "--ingress" else admin
    arguments = [word for pair in other.items() for word in pair]
    done = perdure("up", "agent.py", *arguments, "--data-dir", "another")
    assert done.returncode == 2
    assert done.stderr == (
        f"perdure: {other[option]} is in use by another program: choose another with {option}\n"
    )
    assert not (folder / "another").exists()


def test_a_second_engine_on_the_same_data_is_one_line(start_perdure: Start, perdure: Perdure) -> None:
    up(start_perdure, *addresses())
    done = perdure("up", "agent.py", "--ingress", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert done.returncode == 2
    assert "perdure-data" in done.stderr
    assert done.stderr.startswith("perdure: ")
    assert done.stderr.count("\n") == 1


def test_a_data_directory_that_is_a_file_is_a_usage_error(perdure: Perdure) -> None:
    done = perdure("up", "agent.py", "--data-dir", "agent.py")
    assert done.returncode == 2
    assert "is a file" in done.stderr


def test_engine_runs_without_an_app(start_perdure: Start) -> None:
    ingress, admin = addresses()
    server = start_perdure("engine", "--ingress", ingress, "--admin", admin)
    assert facts(server.wait_for_output("data")) == {
        "ingress": f"http://{ingress}",
        "admin": f"http://{admin}",
        "UI": f"http://{admin}/ui/",
        "data": "perdure-data",
    }
    assert httpx2.get(f"http://{admin}/health").status_code == 200
    assert httpx2.post(f"http://{ingress}/Agent/nap", json=0).status_code == 404
    assert server.stop(signal.SIGTERM) == 0


def test_engine_says_by_which_key_its_requests_are_signed(
    start_perdure: Start, perdure: Perdure, folder: Path
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ports = ("--ingress", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    engine = start_perdure("engine", *ports, PERDURE_REQUEST_IDENTITY_KEY="key.pem")
    said = engine.wait_for_output("signs as")
    assert "publickeyv1_FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF" in said

    refused = perdure("engine", *ports, "--request-identity-key", "none.pem", "--data-dir", "another")
    assert refused.returncode == 2
    assert "cannot read the request identity key none.pem" in refused.stderr
    assert not (folder / "another").exists()


def test_what_handlers_print_and_nothing_else_is_on_standard_output(folder: Path) -> None:
    (folder / "agent.py").write_text(
        "import restate\nservice = restate.Service('Agent')\n"
        "@service.handler()\nasync def speak(ctx: restate.Context) -> None:\n"
        "    print('spoken', flush=True)\n"
        "app = restate.app([service])\n"
    )
    ingress, admin = addresses()
    from child_process import PERDURE

    child = subprocess.Popen(
        [PERDURE, "up", "agent.py", "--ingress", ingress, "--admin", admin],
        cwd=folder, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stderr is not None
        while "try " not in (line := child.stderr.readline()):
            assert line, "it ended"
        assert line.split(maxsplit=1)[1].strip() == f"curl {ingress}/Agent/speak -X POST"
        assert httpx2.post(f"http://{ingress}/Agent/speak").status_code == 200
        child.terminate()
        spoken, _ = child.communicate(timeout=20)
        assert spoken == "spoken\n"
    finally:
        child.kill()
