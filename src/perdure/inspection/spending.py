"""What the newest invocations spent on model calls."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import page
from perdure.inspection.journal import whole_journal
from perdure.inspection.records import Invocation, Step
from perdure.inspection.step_content import ModelCall, read

ENTRIES_MAX = 20_000
"""Of all journals that are read together."""

_MODEL_STEPS = ("call LLM", "retrieve response")
_VALUE_BYTES_MAX = 4_096  # what is wanted of an answer stands before it
_AT_ONCE = 4
_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Spending:
    """One model call. usd: None where no price was known. price_list: where it is from, if not the user."""

    at: datetime
    invocation_id: str
    agent: str | None
    model: str | None
    input_tokens: int
    output_tokens: int
    usd: float | None
    price_list: str | None


# By invocation and length of its journal: a journal only grows.
_Known = OrderedDict[tuple[str, int], list[Spending]]
_known: WeakKeyDictionary[AdminApi, _Known] = WeakKeyDictionary()


async def model_calls(api: AdminApi, invocations: int = 100) -> list[Spending]:
    """The model calls of the newest invocations, oldest first: of so many, or as have ENTRIES_MAX together.

    A journal is read once, and again when it has grown.
    """
    known = _known.setdefault(api, OrderedDict())
    turn = asyncio.Semaphore(_AT_ONCE)

    async def calls_of(each: Invocation) -> list[Spending]:
        key = (each.id, each.journal_size)
        if key not in known:
            async with turn:
                known[key] = await _calls(api, each)
        known.move_to_end(key)
        return known[key]

    newest = (await page(api, limit=invocations)).items
    found = await asyncio.gather(*(calls_of(each) for each in _within(newest)))
    while len(known) > _KEPT:
        known.popitem(last=False)
    return sorted((call for calls in found for call in calls), key=lambda call: call.at)


def _within(newest: list[Invocation]) -> Iterator[Invocation]:
    entries = 0
    for each in newest:
        entries += each.journal_size
        if entries > ENTRIES_MAX:
            return
        yield each


async def _calls(api: AdminApi, invocation: Invocation) -> list[Spending]:
    try:
        steps = await whole_journal(api, invocation.id, _VALUE_BYTES_MAX)
    except RequestError:  # purged meanwhile
        return []
    return [call for step in steps for call in _call(invocation.id, step)]


def _call(invocation_id: str, step: Step) -> Iterator[Spending]:
    if step.kind != "run" or step.name not in _MODEL_STEPS:
        return
    content = read(step)
    if isinstance(call := content.body, ModelCall):
        yield Spending(
            at=step.ended_at or step.started_at,
            invocation_id=invocation_id,
            agent=content.agent,
            model=call.model,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            usd=call.usd,
            price_list=call.price_list,
        )
