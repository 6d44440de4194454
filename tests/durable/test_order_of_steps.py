"""Steps that are asked for together start in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from journal_server import serve, value_of

from perdure.durable import step

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_steps_that_run_side_by_side_start_as_they_were_asked_for(suspend_always: bool) -> None:
    started: list[int] = []

    async def begin(number: int) -> int:
        started.append(number)
        return number

    async def main() -> Any:
        return await asyncio.gather(*(step(f"step {n}", begin, n) for n in range(10)))

    server = serve(main, suspend_always=suspend_always)
    assert value_of(await server.run()) == list(range(10))
    assert started == list(range(10))
