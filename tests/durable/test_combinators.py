"""The SDK's own combinators, with futures of the deterministic loop: as restate users write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import restate
import restate.extensions
from journal_server import serve, value_of

from perdure import durable
from perdure.durable import DurableContext

pytestmark = pytest.mark.anyio


def context() -> DurableContext:
    current = durable.current()
    assert current is not None
    return current


async def test_gather_waits_for_all_and_gives_the_futures_back() -> None:
    async def main() -> list[Any]:
        futures = [context().run_typed(f"s{n}", lambda n=n: n * n) for n in range(3)]
        nap = context().sleep(timedelta(seconds=1))
        return [await future for future in await restate.gather(*futures, nap)]

    server = serve(main, suspend_always=True)
    assert value_of(await server.run()) == [0, 1, 4, None]
    assert server.commands() == ["Input", "Run s0", "Run s1", "Run s2", "Sleep", "Output"]


async def test_select_tells_which_came_first() -> None:
    async def main() -> list[Any]:
        answer = context().run_typed("answer", lambda: "yes")
        return list(await restate.select(timeout=context().sleep(timedelta(hours=1)), answer=answer))

    assert value_of(await serve(main, suspend_always=True).run()) == ["answer", "yes"]


async def test_as_completed_yields_in_the_order_of_the_journal() -> None:
    async def main() -> list[str]:
        futures = {context().run_typed(name, lambda name=name: name.upper()): name for name in ("a", "b")}
        return [await future async for future in restate.as_completed(*futures)]

    def last_first(names: Any) -> int:
        return len(names) - 1

    assert sorted(value_of(await serve(main, suspend_always=True).run())) == ["A", "B"]
    assert sorted(value_of(await serve(main, choose=last_first).run())) == ["A", "B"]


async def test_wait_completed_parts_the_done_from_the_rest() -> None:
    async def main() -> list[int]:
        quick = context().run_typed("quick", lambda: 1)
        slow = context().sleep(timedelta(hours=1))
        done, pending = await restate.wait_completed(quick, slow)
        assert done == [quick]
        assert pending == [slow]
        return [len(done), len(pending)]

    assert value_of(await serve(main, suspend_always=True).run()) == [1, 1]


async def test_the_current_context_of_the_sdk_is_the_durable_one() -> None:
    async def main() -> bool:
        return restate.extensions.current_context() is durable.current() is not None

    assert value_of(await serve(main).run()) is True
