"""Approvals of runs that are suspended, as an inbox reads them: what waits, and what was decided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import clerks
import pytest
from agents import set_tracing_disabled

from perdure.engine.storage import journal_pages
from perdure.errors import RequestError
from perdure.inspection import approvals
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.decisions import decide
from perdure.testing import Harness, harness

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def h() -> AsyncIterator[Harness]:
    """An engine where whatever waits is suspended at once."""
    set_tracing_disabled(True)
    async with harness(clerks.app, always_replay=True, ports=True, skip_time=False) as h:
        yield h


@pytest.fixture(scope="module")
async def api(h: Harness) -> AsyncIterator[AdminApi]:
    async with AdminApi(h.admin_url) as api:
        yield api


async def test_what_is_suspended_waits_and_what_was_never_started_does_not(h: Harness, api: AdminApi) -> None:
    sent = await h.send("Refunds/handle", 180.1)
    scheduled = await h.send("Refunds/handle", 1.0, delay=timedelta(days=1))
    await h.settle()
    assert await h.status(sent) == "suspended"
    (waiting,) = await approvals.pending(api)
    assert (waiting.invocation_id, waiting.tool, waiting.agents) == (sent, "refund", ("RefundClerk",))
    assert waiting.arguments == {"order": 23, "euros": 180.1}
    assert (waiting.reason, waiting.problem, waiting.expires_at) == (None, None, None)

    decided = await decide(api, waiting.id, approved=False, message="no photo", by="Ada")
    assert decided.id == waiting.id
    assert await h.attach(sent) == "no photo"
    assert await approvals.pending(api) == []
    (past,) = await approvals.recent(api)
    assert (past.id, past.status) == (waiting.id, "rejected")
    assert past.decision is not None
    assert (past.decision.by, past.decision.message) == ("Ada", "no photo")
    with pytest.raises(RequestError, match=r"already decided: rejected at .* by Ada: no photo"):
        await decide(api, waiting.id, approved=True, by="Grace")
    await h.kill(scheduled)


async def test_announcements_that_are_too_long_for_a_list_are_there(
    h: Harness, api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the values of a list there is so much; what is cut is no JSON."""
    monkeypatch.setattr(journal_pages, "PAGE_BYTES_MAX", 1_000)
    asked = [
        await h.send("Refunds/open_account", f"customer {number}" + "x" * 120_000) for number in range(3)
    ]
    await h.settle()
    waiting = await approvals.pending(api)
    assert [each.invocation_id for each in waiting] == asked
    assert all(len(each.arguments["customer"]) > 120_000 for each in waiting)
    for each in waiting:
        await decide(api, each.id, approved=True)
    await h.settle()
    assert {each.id for each in await approvals.recent(api)} >= {each.id for each in waiting}


async def test_the_last_decisions_come_first(h: Harness, api: AdminApi) -> None:
    ids = []
    for customer in ("Ada", "Grace"):
        await h.send("Refunds/open_account", customer)
        await h.settle()
        (waiting,) = await approvals.pending(api)
        assert (waiting.agents, waiting.reason) == ((), "The name is on a list.")
        await decide(api, waiting.id, approved=True)
        ids.append(waiting.id)
    await h.settle()
    assert [each.id for each in await approvals.recent(api, limit=2)] == ids[::-1]
