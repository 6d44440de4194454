"""The guide to testing: its tests pass, and code that is not deterministic fails as it says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import restate
from pages import executed, page
from shown_output import is_shown

from perdure.errors import NotDeterministic
from perdure.testing import harness

pytestmark = pytest.mark.anyio

TESTING = page("docs/guide/testing.md", "greeter mismatch plugin")


async def test_the_tests_of_the_guide_pass(perdure_harness: Callable[..., Any]) -> None:
    names = executed(TESTING.greeter, TESTING.plugin)
    names["app"] = restate.app([names["greeter"]])
    await names["test_a_greeting_takes_a_day"]()
    await names["test_greeting"](perdure_harness)


async def test_another_way_on_replay_is_an_error_that_names_both() -> None:
    coin = restate.Service("Coin")
    sides = itertools.cycle(["heads", "tails"])

    @coin.handler()
    async def toss(ctx: restate.Context) -> str:
        return await ctx.run_typed(next(sides), lambda: "landed")

    async with harness(coin, always_replay=True) as h:
        with pytest.raises(NotDeterministic) as failed:
            await h.call("Coin/toss")
    assert is_shown(TESTING.mismatch.text.splitlines(), str(failed.value))
