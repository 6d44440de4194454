"""List, count and describe invocations: reads beside the engine, in threads of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.admin.failure_view import failure_view
from perdure.engine.admin.invocation_filter import VALUE_BYTES, cursor_of, limit_of, number_of, wanted_of
from perdure.engine.admin.invocation_view import invocation_view
from perdure.engine.admin.journal_view import journal_view
from perdure.engine.admin.reads import Json, Reads
from perdure.engine.admin.step_view import step_view
from perdure.engine.runtime.engine import Engine
from perdure.engine.storage import invocation_list, journal_pages
from perdure.engine.storage.failures import AttemptFailures
from perdure.engine.storage.invocation_list import Listed
from perdure.engine.storage.journal import Journal
from perdure.engine.storage.journal_pages import command_position
from perdure.errors import RequestError
from perdure.protocol.ids import decode_invocation_id
from perdure.protocol.steps import steps_of

COUNT_MAX = 10_001
"""A count of a state ends here: it means `more`."""

# Of a page of a journal: (default, least, most).
_FROM = (0, 0, 2**32 - 1)
_STEPS = (500, 1, 10_000)


class InvocationRoutes:
    """Handlers of `GET /invocations…`."""

    def __init__(self, engine: Engine, reads: Reads) -> None:
        self._engine = engine
        self._reads = reads

    async def list(self, request: Request) -> Response:
        """The newest first, filtered; a page at a time."""
        limit, wanted, view = limit_of(request), wanted_of(request), self._view()

        def read(file: sqlite3.Connection) -> Json:
            found = invocation_list.page(file, wanted, limit + 1)
            page = found[:limit]
            following = cursor_of(page[-1].invocation) if len(found) > limit else None
            return {"invocations": [view(each) for each in page], "next": following}

        return await self._reads.answer(read)

    async def count(self, request: Request) -> Response:
        """How many there are, by state."""
        wanted = wanted_of(request)

        def read(file: sqlite3.Connection) -> Json:
            states = invocation_list.counts(file, wanted, COUNT_MAX)
            return {"count": min(sum(states.values()), COUNT_MAX), "states": states}

        return await self._reads.answer(read)

    async def describe(self, request: Request) -> Response:
        """One, with its journal, unless `?journal=false`."""
        invocation_id, view = _id(request), self._view()
        with_journal = request.query_params.get("journal") != "false"

        def read(file: sqlite3.Connection) -> Json:
            told = view(_listed(file, invocation_id))
            return (
                told | {"journal": journal_view(Journal(file).read(invocation_id))} if with_journal else told
            )

        return await self._reads.answer(read)

    async def journal(self, request: Request) -> Response:
        """A part of the journal, each command with its completion folded in."""
        invocation_id = _id(request)
        start = number_of(request, "from", *_FROM)
        limit = number_of(request, "limit", *_STEPS)
        bytes_max = number_of(request, "value_bytes_max", *VALUE_BYTES)

        def read(file: sqlite3.Connection) -> Json:
            _listed(file, invocation_id)
            page = journal_pages.page(file, invocation_id, start, limit, bytes_max)
            steps = [step_view(step) for step in steps_of(page.lines, page.completions)]
            return {"steps": steps, "entries": page.length, "next": page.next}

        return await self._reads.answer(read)

    async def failures(self, request: Request) -> Response:
        """Why its attempts failed: the newest of them, oldest first."""
        invocation_id = _id(request)

        def read(file: sqlite3.Connection) -> Json:
            _listed(file, invocation_id)
            return {
                "failures": [
                    failure_view(each, command_position(file, invocation_id, each.problem.command_index))
                    for each in AttemptFailures(file).of(invocation_id)
                ]
            }

        return await self._reads.answer(read)

    def _view(self) -> Callable[[Listed], Json]:
        """For other threads: which services there are, as of now."""
        store = self._engine.store
        kinds = {name: store.service_kind(name) for name in store.deployments.service_names()}
        return lambda listed: invocation_view(listed, kinds.get(listed.invocation.target.service))


def _listed(file: sqlite3.Connection, invocation_id: str) -> Listed:
    found = invocation_list.fetch(file, [invocation_id])
    if not found:
        raise RequestError(404, f"invocation '{invocation_id}' not found")
    return found[0]


def _id(request: Request) -> str:
    invocation_id = str(request.path_params["id"])
    decode_invocation_id(invocation_id)
    return invocation_id
