"""`--log-format json`: what handlers log, once, and of which invocation."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import logging_shop
import pytest
from engines import ENGINES, EmbeddedEngine, EngineName, RestateServerWithEndpoint, engine, running
from restate_server import WHY_MISSING, find_binary

from perdure.cli.logs import log_to_stderr
from perdure.telemetry.log_format import JsonFormatter, TextFormatter

pytestmark = pytest.mark.anyio
AnyEngine = EmbeddedEngine | RestateServerWithEndpoint


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=ENGINES)
async def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AnyEngine]:
    name: EngineName = request.param
    if name == "restate-server" and find_binary() is None:
        pytest.skip(WHY_MISSING)
    directory = tmp_path_factory.mktemp("shop")
    env = {"PERDURE_LOG_FORMAT": "json", "SHOP_DIRECTORY": str(directory)}
    async with running(engine(name, logging_shop.__file__, directory, env=env)) as started:
        yield started


async def call(engine: AnyEngine, handler: str, item: str) -> str:
    """Call it, and return the invocation's id."""
    async with httpx2.AsyncClient(base_url=engine.ingress_url, timeout=30) as client:
        answer = await client.post(f"/Shop/{handler}", json=item)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-restate-id"]


def records(engine: AnyEngine) -> list[dict[str, Any]]:
    """What the process of the handlers has logged."""
    log: Path = engine.processes[-1].log_path
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


async def test_each_line_of_a_handler_is_logged_once_however_often_it_is_replayed(shop: AnyEngine) -> None:
    invocation_id = await call(shop, "order", "socks")

    logged = [r for r in records(shop) if r["logger"] == "shop" and r.get("invocation_id") == invocation_id]

    assert [r["message"] for r in logged] == [
        "ordered socks",
        "paying for socks",
        "paid",
        "rested",
        "packing socks",
    ]
    assert {(r["service"], r["handler"], r["level"]) for r in logged} == {("Shop", "order", "WARNING")}
    assert [r.get("step") for r in logged] == [None, "pay", None, None, "pack"]
    assert logged[1]["item"] == "socks", "what the author of the record added is kept"
    if isinstance(shop, EmbeddedEngine):
        attempts = [r["attempt"] for r in logged]
        assert attempts[0] == 1
        assert attempts == sorted(attempts)
        assert attempts[-1] > 1, "it was replayed"
        assert len({r["trace_id"] for r in logged}) == 1


async def test_a_failed_attempt_is_one_readable_record(shop: AnyEngine) -> None:
    invocation_id = await call(shop, "stumble", "shoes")

    text = shop.processes[-1].log_path.read_text()
    failures = [r for r in records(shop) if "attempt" in r["message"] and "no shoes in stock" in r["message"]]

    assert len(failures) == 1
    assert "Traceback" not in text.replace(json.dumps(failures[0].get("stacktrace"))[1:-1], "")
    if isinstance(shop, EmbeddedEngine):
        [failure] = failures
        assert failure["invocation_id"] == invocation_id
        assert failure["message"].startswith("attempt 1 failed in logging_shop.py:")
        assert "next try in" in failure["message"]
        assert "raise ValueError" in failure["stacktrace"]


def fresh_root(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The root logger, as it is when a program starts. No fixture: pytest adds its handlers after those."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    return root


def test_what_the_users_module_has_set_up_stays_but_for_what_an_option_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = fresh_root(monkeypatch)
    theirs, form = logging.StreamHandler(), logging.Formatter("%(message)s")
    theirs.setFormatter(form)
    root.addHandler(theirs)
    root.setLevel(logging.INFO)

    log_to_stderr(None, None)
    assert (root.handlers, theirs.formatter, root.level) == ([theirs], form, logging.INFO)

    log_to_stderr("json", "error")
    assert root.handlers == [theirs]
    assert isinstance(theirs.formatter, JsonFormatter)
    assert root.level == logging.ERROR


def test_where_nobody_has_set_up_anything_warnings_go_out_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    root = fresh_root(monkeypatch)
    log_to_stderr(None, None)

    [handler] = root.handlers
    assert isinstance(handler.formatter, TextFormatter)
    assert root.level == logging.WARNING
