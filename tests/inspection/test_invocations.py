"""What people find in lists of invocations, on either engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from inspected_office import Office

from perdure.errors import EngineUnreachable, RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import InvocationFilter, count, counts, invocation, page
from perdure.protocol.ids import derived_invocation_id

pytestmark = pytest.mark.anyio


async def ids(office: Office, wanted: InvocationFilter) -> list[str]:
    return [each.id for each in (await page(office.api, wanted, limit=200)).items]


async def test_which_engine_it_is(office: Office) -> None:
    about = await office.api.about()
    assert about.is_perdure == (office.name == "embedded")
    assert about.ingress_url == office.engine.ingress_url
    assert about.version[0].isdigit()


async def test_what_is_told_of_one(office: Office) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=1)
    done = await office.in_state(
        await office.call("Clerk/greet", "Ada", **{"idempotency-key": "k1"}), "succeeded"
    )
    assert (done.target, done.service, done.handler, done.key) == ("Clerk/greet", "Clerk", "greet", None)
    assert (done.kind, done.idempotency_key, done.failed, done.failure) == ("service", "k1", False, None)
    assert done.completed_at is not None
    assert done.took is not None
    assert begun < done.created_at < done.completed_at < datetime.now(UTC)
    assert done.journal_size == 11
    assert done.retry_count == 0
    assert done.deployment_id in {each.id for each in await office.api.deployments()}


async def test_who_called_and_what_was_called(office: Office) -> None:
    caller = await office.call("Clerk/greet", "Bob")
    wanted = InvocationFilter(service="Account", key="ada", handler="add")
    called = next(each for each in (await page(office.api, wanted)).items if each.caller_id == caller)
    assert (called.target, called.key, called.kind) == ("Account/ada/add", "ada", "virtual_object")
    assert called.caller_target == "Clerk/greet"


async def test_one_that_failed(office: Office) -> None:
    failed = await office.in_state(await office.call("Clerk/refuse", "no such city"), "failed")
    assert (failed.status, failed.failed, failed.failure) == ("completed", True, "[404] no such city")


async def test_one_that_stumbles_is_paused_and_goes_on_when_resumed(office: Office) -> None:
    invocation_id = await office.send("Clerk/stumble", "slipped")
    paused = await office.in_state(invocation_id, "paused")
    assert paused.completed_at is None
    await office.api.change(invocation_id, "resume")
    await office.api.change(invocation_id, "kill")
    assert (await office.in_state(invocation_id, "failed")).failed


async def test_one_that_waits_can_be_cancelled(office: Office) -> None:
    invocation_id = await office.send("Clerk/wait", "for you")
    await office.in_state(invocation_id, "running", "suspended")
    await office.api.change(invocation_id, "cancel")
    assert (await office.in_state(invocation_id, "failed")).failure


async def test_one_that_is_to_start_later(office: Office) -> None:
    invocation_id = await office.send("Clerk/echo", "later", delay="1h")
    scheduled = await office.in_state(invocation_id, "scheduled")
    assert scheduled.scheduled_at is not None
    assert timedelta(minutes=58) < scheduled.scheduled_at - datetime.now(UTC) < timedelta(minutes=61)


async def test_until_when_one_is_kept(office: Office) -> None:
    done = await office.in_state(await office.call("Clerk/echo", "x"), "succeeded")
    assert done.completed_at is not None
    assert done.kept_until == done.completed_at + timedelta(days=1)
    scheduled = await office.send("Clerk/echo", "later", delay="1h")
    assert (await office.in_state(scheduled, "scheduled")).kept_until is None


async def test_restarted_and_purged(office: Office) -> None:
    first = await office.call("Clerk/echo", "again")
    second = await office.api.change(first, "restart-as-new")
    assert second is not None
    assert (await office.in_state(second, "succeeded")).restarted_from == first
    await office.api.change(first, "purge")
    with pytest.raises(RequestError, match="not found") as refused:
        await invocation(office.api, first)
    assert refused.value.status == 404


async def test_filters(office: Office) -> None:
    tag = f"filters-{office.name}"
    wrote = await office.call(f"Account/{tag}/add", 1)
    asked = await office.call("Clerk/echo", "x", **{"idempotency-key": f"100%_{tag}'s"})
    refused = await office.call("Clerk/refuse", "x", **{"idempotency-key": f"{tag} no"})
    assert await ids(office, InvocationFilter(service="Account", key=tag)) == [wrote]
    assert await ids(office, InvocationFilter(text=tag.upper())) == [refused, asked, wrote]
    assert await ids(office, InvocationFilter(text="100%_")) == [asked]
    assert await ids(office, InvocationFilter(text=f"{tag}'s")) == [asked]
    assert await ids(office, InvocationFilter(text=f"account/{tag}/add")) == [wrote]
    assert await ids(office, InvocationFilter(text=wrote)) == [wrote]
    assert await ids(office, InvocationFilter(text=tag, status=frozenset({"failed"}))) == [refused]
    assert await ids(office, InvocationFilter(text=tag, status=frozenset({"completed"}))) == [
        refused,
        asked,
        wrote,
    ]
    assert await ids(office, InvocationFilter(text=tag, status=frozenset({"running", "paused"}))) == []
    assert await ids(office, InvocationFilter(text=tag, handler="echo", service="Clerk")) == [asked]
    created_at = (await invocation(office.api, asked)).created_at
    assert await ids(office, InvocationFilter(text=tag, created_after=created_at)) == [refused, asked]
    assert await ids(office, InvocationFilter(text=tag, created_before=created_at)) == [wrote]
    assert await ids(office, InvocationFilter(text=tag, service="Nobody")) == []


async def test_pages_follow_each_other_and_leave_nothing_out(office: Office) -> None:
    tag = f"pages-{office.name}"
    made = [await office.call(f"Account/{tag}/add", 1) for _ in range(7)]
    wanted = InvocationFilter(key=tag)
    found, cursor = [], None
    for _ in range(4):
        part = await page(office.api, wanted, cursor, 2)
        found += [each.id for each in part.items]
        cursor = part.next
    assert cursor is None
    assert sorted(found) == sorted(made)
    assert found == await ids(office, wanted)
    assert await count(office.api, wanted) == 7


async def test_how_many_there_are_of_each_state(office: Office) -> None:
    tag = f"counts-{office.name}"
    await office.call(f"Account/{tag}/add", 1)
    await office.call("Clerk/refuse", "x", **{"idempotency-key": tag})
    found = await counts(office.api, InvocationFilter(text=tag))
    assert {state: number for state, number in found.items() if number} == {"succeeded": 1, "failed": 1}
    assert await counts(office.api, InvocationFilter(text=tag, status=frozenset({"failed"}))) == {"failed": 1}


async def test_what_cannot_be_asked_is_refused(office: Office) -> None:
    unknown = derived_invocation_id("of nobody")
    for status, asking in (
        (404, invocation(office.api, unknown)),
        (400, invocation(office.api, "inv_nonsense' OR '1'='1")),
        (400, page(office.api, InvocationFilter(status=frozenset({"asleep"})))),
        (400, page(office.api, cursor="2 or so")),
        (404, office.api.change(unknown, "cancel")),
    ):
        with pytest.raises(RequestError) as refused:
            await asking
        assert refused.value.status == status


async def test_nothing_answers() -> None:
    async with AdminApi("127.0.0.1:1") as api:
        with pytest.raises(EngineUnreachable, match=r"http://127\.0\.0\.1:1"):
            await page(api)
