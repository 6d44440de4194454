"""The page of one invocation: what it is, what it came to, and its journal as a tree beside a time line.

The page holds the first steps; more come when they are asked for. While it runs, the page follows three
things: `facts` each second, which is small; `summary` now and then; and the rows from the first one that is
not settled on, whenever the facts say that the journal has grown.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import EngineUnreachable, RequestError
from perdure.inspection import invocation_list
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.journal import failures, journal
from perdure.inspection.records import AttemptFailure, Invocation, Journal
from perdure.ui import invocation_actions, invocation_step, invocation_stream
from perdure.ui.gone import of_kept
from perdure.ui.invocation_actions import actions_of
from perdure.ui.invocation_rows import Rows, rows_of
from perdure.ui.invocation_summary import summary
from perdure.ui.json_tree import shown
from perdure.ui.pages import page

PAGE_STEPS = 500
BEFORE_ENTRIES = 200
"""So many entries before a page are read too: the model calls that its steps belong to."""


def routes(api: AdminApi) -> list[BaseRoute]:
    async def invocation(request: Request) -> Response:
        one, first = await _one_and_first(request)
        part = _part(one, first, first, 0)
        is_small = first.next is None
        return page(
            request,
            "invocation.html",
            invocation=one,
            actions=actions_of(one),
            part=part,
            summary=await summary(api, one.id, first) if is_small else None,
            failures=await _failures(one) if is_small else [],
            shown=shown,
        )

    async def facts(request: Request) -> Response:
        one = await _invocation(request)
        return page(request, "invocation_facts.html", invocation=one, actions=actions_of(one))

    async def told(request: Request) -> Response:
        one, first = await _one_and_first(request)
        return page(
            request,
            "invocation_told.html",
            invocation=one,
            summary=await summary(api, one.id, first),
            failures=await _failures(one),
            shown=shown,
        )

    async def rows(request: Request) -> Response:
        """`?from=` an entry. `tail`: of a page that has what stands before, beneath its own tops too."""
        start = request.query_params.get("from", "0")
        if not start.isdigit():
            raise RequestError(400, f"from={start!r} is no index of an entry")
        one = await _invocation(request)
        is_tail = "tail" in request.query_params
        part = await _from(one, int(start), is_tail=is_tail)
        return page(request, "invocation_rows.html", invocation=one, part=part)

    async def _invocation(request: Request) -> Invocation:
        invocation_id = request.path_params["id"]
        return await of_kept(invocation_id, invocation_list.invocation(api, invocation_id))

    async def _one_and_first(request: Request) -> tuple[Invocation, Journal]:
        invocation_id = request.path_params["id"]
        one, first = (
            invocation_list.invocation(api, invocation_id),
            journal(api, invocation_id, 0, PAGE_STEPS),
        )
        return await of_kept(invocation_id, asyncio.gather(one, first))

    async def _from(one: Invocation, start: int, *, is_tail: bool) -> Part:
        begin = max(start - BEFORE_ENTRIES, 0)
        before, first, found = await asyncio.gather(
            journal(api, one.id, begin, BEFORE_ENTRIES),
            journal(api, one.id, 0, 1),
            journal(api, one.id, start),
        )
        known = [step for step in before.steps if step.index < start]
        whole = Journal([*known, *found.steps], found.entries, found.next)
        return _part(one, whole, first, start, with_orphans=not is_tail)

    async def _failures(one: Invocation) -> list[AttemptFailure]:
        """Asked in SQL, which not every engine has at hand."""
        try:
            return await failures(api, one.id)
        except (RequestError, EngineUnreachable):
            return []

    return [
        Route("/invocations/{id}", invocation),
        Route("/invocations/{id}/facts", facts),
        Route("/invocations/{id}/summary", told),
        Route("/invocations/{id}/rows", rows),
        *invocation_stream.routes(api),
        *invocation_step.routes(api),
        *invocation_actions.routes(api),
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of the journal. start: the entry where they begin. next: where those after them do; None at
    the end.
    """

    rows: Rows
    entries: int
    start: int
    next: int | None
    origin: datetime


def _part(one: Invocation, found: Journal, first: Journal, start: int, *, with_orphans: bool = True) -> Part:
    # What was restarted has steps of before it was created.
    origin = min([one.created_at, *(step.started_at for step in first.steps[:1])])
    rows = rows_of(found.steps, one, origin, start, with_orphans=with_orphans)
    return Part(rows, found.entries, start, found.next, origin)
