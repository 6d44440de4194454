"""`perdure deployments`: a second endpoint is registered, looked at and removed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator

import pytest
from desk_engine import Command, Desk
from service_endpoint import ServiceEndpoint

pytestmark = pytest.mark.xdist_group("commands on both engines")

ANNEX = """
import restate

annex = restate.Service("Annex")


@annex.handler()
async def wait(ctx: restate.Context) -> str:
    await ctx.run_typed("begin", lambda: None)
    _, answer = ctx.awakeable(type_hint=str)
    return await answer


app = restate.app([annex])
"""


@pytest.fixture(scope="module")
def annex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("annex")
    (folder / "annex.py").write_text(ANNEX)
    endpoint = ServiceEndpoint(str(folder / "annex.py"), folder)
    try:
        asyncio.run(endpoint.start())
        yield endpoint.url
    finally:
        endpoint.kill()


def test_a_deployment_from_its_registration_to_its_removal(desk: Desk, command: Command, annex: str) -> None:
    looked = command("deployments", "register", annex, "--dry-run")
    assert looked.code == 0
    assert "nothing is kept" in looked.out
    done = command("deployments", "register", annex.removeprefix("http://"), "--metadata", "team=annex")
    assert done.code == 0
    registered = re.match(r"registered (dp_\w+)\n  Annex  revision 1  wait\n", done.out)
    assert registered is not None

    found = command("deployments", "list").out
    assert re.search(rf"{registered[1]} +{annex}/? .*Annex", found)
    running = desk.send("Annex/wait")
    deadline = time.monotonic() + 20
    while True:  # restate-server pins an invocation once its handler has answered
        told = json.loads(command("deployments", "describe", registered[1], "--json").out)
        if told["unfinished_invocations"] == 1:
            break
        assert time.monotonic() < deadline
    assert told["services"] == {"Annex": 1}
    assert "1 not over" in command("deployments", "describe", registered[1]).out

    asked = command("deployments", "remove", registered[1])
    assert asked.code == 2
    assert "add --yes" in asked.err
    assert command("invocations", "kill", running).code == 0
    desk.wait_for(running, "completed")
    assert command("deployments", "remove", registered[1]).out == f"removed {registered[1]}\n"
    assert registered[1] not in command("deployments", "list").out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["describe", "dp_none"], 1, "no deployment 'dp_none': `perdure deployments list` shows them"),
        (["register", "http://127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["register", "http://127.0.0.1:1", "--header", "x"], 2, "--header 'x': write NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_one_line(command: Command, arguments: list[str], code: int, told: str) -> None:
    done = command("deployments", *arguments)
    assert done.code == code
    assert told in done.err
    assert done.err.count("\n") == 1
