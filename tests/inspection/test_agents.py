"""What people see of an agent's run in its journal, on either engine."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from advisers import LIST_USD
from inspected_agents import HOSTILE
from inspected_office import Office

from perdure.errors import RequestError
from perdure.inspection.approvals import Approval, find, pending, recent
from perdure.inspection.decisions import decide
from perdure.inspection.journal import whole_journal
from perdure.inspection.spending import Spending, model_calls
from perdure.inspection.step_content import (
    ApprovalAsked,
    Content,
    FailedTry,
    ModelCall,
    ToolCall,
    ToolResult,
    read,
)
from perdure.inspection.usage import usage_of
from perdure.protocol.ids import derived_invocation_id, encode_awakeable_id

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def service_file() -> Path:
    return Path(__file__).parents[1] / "support" / "inspected_agents.py"


async def contents(office: Office, invocation_id: str, bytes_max: int = 16_384) -> dict[str, list[Content]]:
    """Of the runs, by name."""
    found: dict[str, list[Content]] = {}
    for step in await whole_journal(office.api, invocation_id, bytes_max):
        if step.kind == "run":
            found.setdefault(step.name, []).append(read(step))
    return found


async def asked(office: Office, invocation_id: str) -> Approval:
    """What it asks a human, once it does."""
    with anyio.fail_after(30):
        while True:
            for approval in await pending(office.api):
                if approval.invocation_id == invocation_id:
                    return approval
            await anyio.sleep(0.05)


async def test_what_each_model_call_decided_and_cost(office: Office) -> None:
    found = await contents(office, await office.call("Boss/forecast", "Oslo"))
    first, last = found["call LLM"]
    assert (first.agent, last.agent) == ("Scout", "Scout")
    assert isinstance(first.body, ModelCall)
    assert isinstance(last.body, ModelCall)
    assert first.body.tool_calls == (ToolCall("look_up", '{"city": "Oslo"}', "call_0_0"),)
    assert (last.body.messages, last.body.tool_calls) == (("It is clear.",), ())
    assert (first.body.model, first.body.input_tokens, first.body.output_tokens) == ("scripted-1", 10, 5)
    assert first.body.usd == pytest.approx(0.06)
    (looked,) = found["look_up"]
    assert looked.body == ToolResult({"city": "Oslo", "sky": HOSTILE}, is_error=False)
    assert (looked.agent, looked.call_id) == ("Scout", "call_0_0")


async def test_a_tool_that_was_tried_again(office: Office) -> None:
    number = len(office.name)
    busy, rung = (await contents(office, await office.call("Boss/call", number)))["ring"]
    assert busy.body == FailedTry("ConnectionError: line is busy", 1)
    assert (busy.failed, rung.failed) == (True, False)
    assert rung.body == ToolResult("rung", is_error=False)


async def test_a_long_streamed_answer_that_was_cut_still_tells_what_it_cost(office: Office) -> None:
    invocation_id = await office.call("Boss/talk", 5_000)
    ((said,), (cut,)) = [(await contents(office, invocation_id, n))["call LLM"] for n in (10**6, 1024)]
    assert isinstance(said.body, ModelCall)
    assert isinstance(cut.body, ModelCall)
    assert said.body.messages == ("word " * 5_000,)
    assert "word word" in cut.body.messages[0]
    assert len(cut.body.messages[0]) < 1024
    assert said.body.is_streamed
    assert cut.body.is_streamed
    assert cut.body.output_tokens == said.body.output_tokens > 0


async def test_an_approval_from_its_question_to_its_answer(office: Office) -> None:
    invocation_id = await office.send("Boss/dismiss", "Bob")
    approval = await asked(office, invocation_id)
    assert (approval.tool, approval.arguments, approval.agents) == ("fire", {"name": "Bob"}, ("Judge",))
    (announced,) = (await contents(office, invocation_id))["approval fire"]
    assert isinstance(announced.body, ApprovalAsked)
    assert (announced.body.awakeable_id, announced.body.tool) == (approval.id, "fire")

    await decide(office.api, approval.id, approved=False, message="Keep him.", by="Ada")
    await office.in_state(invocation_id, "succeeded")
    found = await find(office.api, approval.id)
    assert found is not None
    assert found.decision is not None
    assert (found.status, found.decision.by, found.decision.message) == ("rejected", "Ada", "Keep him.")
    assert approval.id in [each.id for each in await recent(office.api)]
    assert approval.id not in [each.id for each in await pending(office.api)]
    with pytest.raises(RequestError, match=r"already decided: rejected .* by Ada: Keep him") as refused:
        await decide(office.api, approval.id, approved=True)
    assert refused.value.status == 409


async def test_an_approval_that_nobody_asked_for(office: Office) -> None:
    unknown = encode_awakeable_id(derived_invocation_id("of nobody"), 17)
    assert await find(office.api, unknown) is None
    with pytest.raises(RequestError) as refused:
        await decide(office.api, unknown, approved=True)
    assert refused.value.status == 404


async def test_what_the_newest_invocations_spent(office: Office) -> None:
    invocation_id = await office.call("Boss/forecast", "Bergen")
    await office.in_state(invocation_id, "succeeded")

    async def spent() -> list[Spending]:
        return [call for call in await model_calls(office.api) if call.invocation_id == invocation_id]

    calls = await spent()
    assert [(call.agent, call.model, call.input_tokens, call.output_tokens) for call in calls] == [
        ("Scout", "scripted-1", 10, 5)
    ] * 2
    assert [call.usd for call in calls] == pytest.approx([0.06, 0.06])
    assert calls[0].at <= calls[1].at
    assert await spent() == calls, "asked again, nothing is counted twice"
    await office.api.change(invocation_id, "purge")
    assert await spent() == []


async def test_what_calls_cost_that_nobody_gave_a_price(office: Office) -> None:
    invocation_id = await office.call("Advice/compare", "Train or plane?")
    await office.in_state(invocation_id, "succeeded")
    used = usage_of(await whole_journal(office.api, invocation_id))
    assert (used.calls, used.input_tokens, used.output_tokens) == (3, 8_410, 765)
    assert (used.usd, used.calls_unpriced) == (pytest.approx(2 * LIST_USD), 1)
    assert used.price_list is not None
    assert used.price_list.startswith("genai-prices 0.")

    calls = [call for call in await model_calls(office.api) if call.invocation_id == invocation_id]
    assert [(call.agent, call.usd, call.price_list) for call in calls] == [
        ("Adviser", pytest.approx(LIST_USD), used.price_list),
        ("House", None, None),
        ("Adviser", pytest.approx(LIST_USD), used.price_list),
    ]


async def test_a_price_of_the_users_is_no_list_price(office: Office) -> None:
    invocation_id = await office.call("Advice/house_priced", "Train or plane?")
    await office.in_state(invocation_id, "succeeded")
    used = usage_of(await whole_journal(office.api, invocation_id))
    assert (used.usd, used.calls_unpriced, used.price_list) == (pytest.approx(0.006), 0, None)
