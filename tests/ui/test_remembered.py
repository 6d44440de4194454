"""What costs much is found once for all who ask."""

from __future__ import annotations

import asyncio

import pytest

from perdure.ui.remembered import Remembered

pytestmark = pytest.mark.anyio


class Question:
    """One that is answered when `may_answer` is set; `asked` counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.fails = False

    async def __call__(self, key: str) -> str:
        self.asked += 1
        await self.may_answer.wait()
        if self.fails:
            raise ValueError(key)
        return f"{key} {self.asked}"


async def test_all_who_ask_at_once_share_one_answer() -> None:
    question = Question()
    remembered = Remembered(question)
    asking = [asyncio.create_task(remembered("a")) for _ in range(5)]
    await asyncio.sleep(0.02)
    asking[0].cancel()
    question.may_answer.set()
    assert await asyncio.gather(*asking[1:]) == ["a 1"] * 4
    assert await remembered("a") == "a 1", "it took 20 ms, so it is kept for 80"
    assert await remembered("b") == "b 2"


async def test_an_answer_that_was_quick_is_asked_for_again_soon() -> None:
    question = Question()
    question.may_answer.set()
    remembered = Remembered(question)
    first = await remembered("a")
    async with asyncio.timeout(5):
        while await remembered("a") == first:  # noqa: ASYNC110 - time is what it is about
            await asyncio.sleep(0.001)


async def test_an_error_is_told_and_not_kept() -> None:
    question = Question()
    question.may_answer.set()
    question.fails = True
    remembered = Remembered(question)
    with pytest.raises(ValueError, match="a"):
        await remembered("a")
    question.fails = False
    assert await remembered("a") == "a 2"
