"""`perdure invocations describe` and `watch` tell what the model calls of a run cost."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from embedded_engine import EmbeddedEngine

ADVISERS = Path(__file__).parents[1] / "support" / "advisers.py"
Perdure = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(str(ADVISERS), tmp_path_factory.mktemp("advisers"))
    try:
        asyncio.run(engine.start())
        yield engine
    finally:
        engine.kill()


def called(engine: EmbeddedEngine, handler: str) -> str:
    answer = httpx2.post(f"{engine.ingress_url}/Advice/{handler}", json="Train or plane?", timeout=30)
    return str(answer.headers["x-restate-id"])


def facts(text: str) -> dict[str, str]:
    """What stands between the id and the tree."""
    lines = text.split("\n\n")[0].splitlines()[1:]
    return {line[:13].strip(): line[13:].strip() for line in lines}


@pytest.mark.parametrize("verb", ["describe", "watch"])
def test_the_cost_of_a_run_and_of_each_call(engine: EmbeddedEngine, perdure: Perdure, verb: str) -> None:
    done = perdure("invocations", verb, called(engine, "compare"), PERDURE_ADMIN=engine.admin_url)
    assert done.returncode == 0, done.stderr
    told = facts(done.stdout)
    assert told["model calls"] == "3, 8,410 + 765 tokens"
    assert told["cost"].startswith("≈ $0.0027, 1 call without a price (≈ by list prices: genai-prices 0.")
    assert "(4200 + 380 tokens, ≈ $0.0013)" in done.stdout
    assert "(10 + 5 tokens)" in done.stdout


def test_programs_read_it_too(engine: EmbeddedEngine, perdure: Perdure) -> None:
    done = perdure(
        "invocations", "describe", called(engine, "compare"), "--json", PERDURE_ADMIN=engine.admin_url
    )
    usage = json.loads(done.stdout)["usage"]
    (price_list,) = usage.pop("price_lists")
    assert price_list.startswith("genai-prices 0.")
    assert usage == {
        "calls": 3,
        "input_tokens": 8_410,
        "output_tokens": 765,
        "usd": pytest.approx(0.0026984),
        "calls_unpriced": 1,
    }


def test_by_a_users_price_it_is_exact_and_without_one_unknown(
    engine: EmbeddedEngine, perdure: Perdure
) -> None:
    told = [
        facts(
            perdure("invocations", "describe", called(engine, handler), PERDURE_ADMIN=engine.admin_url).stdout
        )["cost"]
        for handler in ("house_priced", "house_only")
    ]
    assert told == ["$0.0060", "1 call without a price"]
