"""What people read in a journal, on either engine."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import anyio
import pytest
from inspected_office import Office

from perdure.errors import RequestError
from perdure.inspection.journal import failures, journal, step, whole_journal
from perdure.inspection.records import Step
from perdure.protocol.ids import decode_awakeable_id, derived_invocation_id

pytestmark = pytest.mark.anyio


async def steps(office: Office, invocation_id: str) -> list[Step]:
    return await whole_journal(office.api, invocation_id)


async def test_each_command_has_its_completion_folded_in(office: Office) -> None:
    invocation_id = await office.call("Clerk/greet", "Ada")
    found = await journal(office.api, invocation_id)
    assert (found.entries, found.next) == (11, None)
    assert [(each.index, each.kind, each.label) for each in found.steps] == [
        (0, "input", "input"),
        (1, "run", "call LLM"),
        (3, "sleep", "pause"),
        (5, "call", "Account/ada/add"),
        (8, "send", "Clerk/echo"),
        (10, "output", "output"),
    ]
    asked, ran, slept, called, sent, said = found.steps
    assert (asked.value, asked.completed, asked.took) == (b'"Ada"', None, None)
    assert (ran.value, ran.completed, ran.is_cut) == (b'"hello Ada"', True, False)
    assert slept.took is not None
    assert timedelta(milliseconds=10) < slept.took < timedelta(seconds=5)
    assert slept.wake_up_at is not None
    assert slept.wake_up_at - slept.started_at < timedelta(seconds=1)
    assert (called.parameter, called.completed) == (b"5", True)
    assert called.value is not None
    assert called.value.isdigit()
    assert called.invoked_id is not None
    assert called.invoked_id.startswith("inv_")
    assert (sent.parameter, sent.completed) == (b'"later"', None)
    assert sent.invoked_id not in (None, called.invoked_id)
    assert said.value is not None
    assert said.value.startswith(b'"hello Ada, ')


async def test_a_run_that_failed_for_good(office: Office) -> None:
    _, refused, output = await steps(office, await office.call("Clerk/refuse", "no such city"))
    assert (refused.completed, refused.failure, refused.value) == (True, "[404] no such city", None)
    assert output.failure == "[404] no such city"


async def test_state_and_promises(office: Office) -> None:
    key = f"state-{office.name}"
    _, read, wrote, _ = await steps(office, await office.call(f"Account/{key}/add", 7))
    assert (read.kind, read.state_key, read.value) == ("get_state", "balance", None)
    assert (wrote.kind, wrote.state_key, wrote.value) == ("set_state", "balance", b"7")
    _, keys, cleared, all_cleared, _ = await steps(office, await office.call(f"Account/{key}/close"))
    assert keys.value is not None
    assert (keys.kind, json.loads(keys.value)) == ("get_state_keys", ["balance"])
    assert (cleared.kind, cleared.state_key) == ("clear_state", "balance")
    assert all_cleared.kind == "clear_all_state"
    run = await office.send(f"Errand/{key}/run", "post")
    answer = await office.call(f"Errand/{key}/answer", "sent")
    await office.in_state(run, "succeeded")
    _, waited, _ = await steps(office, run)
    assert (waited.kind, waited.promise_key, waited.value) == ("get_promise", "answer", b'"sent"')
    _, resolved, _ = await steps(office, answer)
    assert (resolved.kind, resolved.promise_key, resolved.completed) == ("complete_promise", "answer", True)
    assert resolved.value == b'"sent"'


async def noted_awakeable(office: Office, invocation_id: str) -> str:
    """The id that its second step notes, once that has ended."""
    with anyio.fail_after(30):
        while True:
            match await steps(office, invocation_id):
                case [_, Step(value=bytes(noted)), *_]:
                    return str(json.loads(noted).split()[-1])
            await anyio.sleep(0.02)


async def test_an_awakeable_is_the_signal_that_completes_it(office: Office) -> None:
    invocation_id = await office.send("Clerk/wait", "for you")
    await office.in_state(invocation_id, "running", "suspended")
    awakeable_id = await noted_awakeable(office, invocation_id)
    await office.resolve(awakeable_id, "now")
    await office.in_state(invocation_id, "succeeded")
    signal = (await steps(office, invocation_id))[2]
    assert (signal.kind, signal.value) == ("signal", b'"now"')
    assert (invocation_id, signal.signal_id) == decode_awakeable_id(awakeable_id)
    assert signal.label == "awakeable 17"


async def test_a_cancellation_is_a_signal(office: Office) -> None:
    invocation_id = await office.send("Clerk/wait", "for you")
    await office.in_state(invocation_id, "running", "suspended")
    await office.api.change(invocation_id, "cancel")
    await office.in_state(invocation_id, "failed")
    assert "cancel" in [each.label for each in await steps(office, invocation_id)]


async def test_why_attempts_failed_and_where(office: Office) -> None:
    invocation_id = await office.send("Clerk/stumble", "slipped")
    await office.in_state(invocation_id, "paused")
    first, *_ = await failures(office.api, invocation_id)
    _, walked, fell = await steps(office, invocation_id)
    assert (walked.completed, fell.completed, fell.took) == (True, False, None)
    assert "slipped" in first.message
    assert (first.code, first.step_index, first.step_name) == (500, fell.index, "fall")
    assert first.stacktrace is not None
    assert re.search("ValueError: slipped", first.stacktrace)
    assert fell.started_at <= first.at
    assert await failures(office.api, await office.call("Clerk/echo", "x")) == []


async def test_a_long_journal_is_read_in_parts(office: Office) -> None:
    invocation_id = await office.call("Clerk/many", 30)
    first = await journal(office.api, invocation_id, limit=10)
    assert (first.entries, first.next, len(first.steps)) == (62, 19, 10)
    assert first.next is not None
    rest = await journal(office.api, invocation_id, start=first.next)
    assert (rest.next, len(rest.steps)) == (None, 22)
    assert [each.name for each in [*first.steps, *rest.steps][1:-1]] == [f"step {n}" for n in range(30)]
    assert all(each.completed for each in [*first.steps, *rest.steps][1:-1])
    within = await journal(office.api, invocation_id, start=2, limit=1)
    assert [each.index for each in within.steps] == [3], "entry 2 completes a command that stands before it"


async def test_a_long_value_is_cut_and_there_whole_when_asked_for(office: Office) -> None:
    invocation_id = await office.call("Clerk/large", 100_000)
    large = (await journal(office.api, invocation_id, value_bytes_max=100)).steps[1]
    assert (large.value, large.value_bytes, large.is_cut) == (b'"' + b"x" * 99, 100_002, True)
    assert large.completed
    whole = await step(office.api, invocation_id, 1)
    assert (whole.value, whole.is_cut) == (b'"' + b"x" * 100_000 + b'"', False)


async def test_what_was_sent_may_be_long_too(office: Office) -> None:
    invocation_id = await office.call("Clerk/forward", 100_000)
    sent = (await journal(office.api, invocation_id)).steps[1]
    assert sent.parameter is not None
    assert (len(sent.parameter), sent.parameter_bytes) == (16_384, 100_002)
    assert (sent.invoked_target, sent.completed, sent.value) == ("Clerk/measure", True, b"100000")
    assert sent.invoked_id is not None


async def test_bytes_of_users_come_as_they_are(office: Office) -> None:
    content = bytes(range(256)) * 4
    invocation_id = await office.call("Clerk/raw", list(content))
    ran = await step(office.api, invocation_id, 1)
    assert ran.value == content


async def test_what_is_not_there_is_refused(office: Office) -> None:
    echoed = await office.call("Clerk/echo", "x")
    for status, asking in (
        (404, journal(office.api, derived_invocation_id("of nobody"))),
        (400, journal(office.api, "inv_' OR '1'='1")),
        (404, failures(office.api, derived_invocation_id("of nobody"))),
        (404, step(office.api, echoed, 7)),
    ):
        with pytest.raises(RequestError) as refused:
            await asking
        assert refused.value.status == status
