"""Approvals: a run that needs a human's word suspends until it comes, for days if need be.

Theory of operation: each question is an awakeable, which the protocol journals only when it is resolved. To
be seen before that, a question is announced: by a run entry named `approval <tool>`, whose value names the
awakeable and says what is asked. Whoever lists approvals reads those entries of invocations that have not
completed, and leaves out those whose awakeable has its signal in the journal. Nobody else knows of approvals.

An awakeable counts once, and so does what a human says, right or wrong. A body that is no decision is not
taken for one: the question is announced anew, with what was wrong with the answer.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NotRequired, TypedDict

import restate
from agents import RunContextWrapper, RunState, ToolApprovalItem
from pydantic import BaseModel, ConfigDict, ValidationError
from restate.exceptions import TerminalError
from restate.serde import BytesSerde

from perdure.durable import ONCE, DurableContext, current, step
from perdure.durable.step import is_async
from perdure.durable.values import Json
from perdure.errors import NotDurable
from perdure.openai.context_changes import step_in_context
from perdure.openai.options import current_options
from perdure.openai.run_events import publish_cut

ANNOUNCEMENT_VERSION = 1


class Decision(BaseModel):
    """What a human answered; as JSON, the body that resolves the awakeable. Only `approved` must be there.

    always: the same answer for all later calls of this tool by this agent, to the end of the run.
    message: why. The model reads that of a rejection in place of the tool's output.
    by: who decided.
    id: any text of the decider's, to find its own decision again in the journal.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    approved: bool
    always: bool = False
    message: str | None = None
    by: str | None = None
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a human is asked to allow.

    arguments: of the call, as JSON.
    call_id: the model's own name for the call.
    agents: names of agents, from the run's down to the one that calls the tool, through agents as tools.
    reason: why there is a question, if it is not that the tool needs approval.
    """

    tool: str
    arguments: Json = None
    call_id: str | None = None
    agents: tuple[str, ...] = ()
    reason: str | None = None


class Announcement(TypedDict):
    """The value of an `approval <tool>` entry. Times are ISO 8601 in UTC, by the handler's clock."""

    version: int
    awakeable_id: str
    tool: str
    arguments: Json
    call_id: str | None
    agent: str | None
    agents: list[str]
    asked_at: str
    expires_at: NotRequired[str]
    reason: NotRequired[str]
    problem: NotRequired[str]  # what was wrong with the answer to the announcement before


async def ask_human(question: Question, *, timeout_ms: int | None = None) -> Decision:
    """Announce a question and wait for its decision, durably. Any number may wait at once.

    timeout_ms: after so long without a decision the answer is a rejection that says so. None waits for ever.

    Raises NotDurable outside of a durable run. An awakeable that is rejected is a rejection, and its reason
    the message.
    """
    context = current()
    if context is None:
        raise NotDurable(
            f"a human was asked about {question.tool!r} outside of a durable run, where nothing can wait for "
            "days. Ask in code that `DurableRunner.run(...)` or `durable.run(ctx, main)` runs, not in a step"
        )
    try:
        async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
            return await _answer(context, question, timeout_ms)
    except TimeoutError:
        return Decision(
            approved=False, message=f"nobody decided within {timedelta(milliseconds=timeout_ms or 0)}"
        )


async def _answer(context: DurableContext, question: Question, timeout_ms: int | None) -> Decision:
    asked: Announcement | None = None
    problem: str | None = None
    while True:
        awakeable_id, answer = context.awakeable(serde=BytesSerde())
        asked = await step(
            f"approval {question.tool}", _announce, question, awakeable_id, timeout_ms, asked, problem
        )
        assert asked is not None
        # Of a restarted invocation the entry is a copy, and tells the id of the first one's awakeable.
        asked["awakeable_id"] = awakeable_id
        publish_cut("approval", {**asked}, current_options().stream)  # the journal has it whole
        try:
            return Decision.model_validate_json(await answer)
        except ValidationError as error:
            problem = _problem(error)
        except TerminalError as rejected:
            return Decision(approved=False, message=rejected.message or None)


async def _announce(
    question: Question,
    awakeable_id: str,
    timeout_ms: int | None,
    before: Announcement | None,
    problem: str | None,
) -> Announcement:
    now = datetime.now(UTC)
    announcement = Announcement(
        version=ANNOUNCEMENT_VERSION,
        awakeable_id=awakeable_id,
        tool=question.tool,
        arguments=question.arguments,
        call_id=question.call_id,
        agent=question.agents[-1] if question.agents else None,
        agents=list(question.agents),
        asked_at=now.isoformat(timespec="milliseconds"),
    )
    if before is not None and "expires_at" in before:  # a bad answer buys no time
        announcement["expires_at"] = before["expires_at"]
    elif timeout_ms is not None:
        expires_at = now + timedelta(milliseconds=timeout_ms)
        announcement["expires_at"] = expires_at.isoformat(timespec="milliseconds")
    if question.reason is not None:
        announcement["reason"] = question.reason
    if problem is not None:
        announcement["problem"] = problem
    return announcement


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    told = f"{where}: {first['msg']}" if where else first["msg"]
    return f'the last answer was no decision ({told}); write {{"approved": true}} or {{"approved": false}}'


# ---- functions of the user that decide


async def needs_approval(
    run_context: RunContextWrapper[Any], function: Callable[..., Any], data: tuple[Any, ...]
) -> bool:
    """What a function given as `needs_approval=` says of one call, once in the life of the invocation."""
    return bool(await _said_once("needs_approval", run_context, bool, function, data))


async def on_approval(
    run_context: RunContextWrapper[Any], function: Callable[..., Any], data: tuple[Any, ...]
) -> Json:
    """What a function that decides in a human's place says of one call: {"approve": bool, "reason": str}."""
    return await _said_once("on_approval", run_context, dict, function, data)


async def on_safety_check(
    run_context: RunContextWrapper[Any], function: Callable[..., Any], data: tuple[Any, ...]
) -> bool:
    """Whether a function lets a computer act where the provider has doubts, asked once for each doubt."""
    return bool(await _said_once("on_safety_check", run_context, bool, function, data))


async def _said_once(
    entry: str,
    run_context: RunContextWrapper[Any],
    as_json: Callable[[Any], Json],
    function: Callable[..., Any],
    data: tuple[Any, ...],
) -> Json:
    """In a replay, days later, the limits that the function knows may be others: what it said first counts.

    It is one step, by the rule for tools: only an async one of a run with `context=ctx` runs on the
    deterministic loop, where it may make steps of its own. Then its answer is journaled.
    """
    if is_async(function) and isinstance(run_context.context, restate.Context):
        answer = as_json(await function(*data))

        async def record() -> Json:
            return answer

        return await step(entry, record, retry=ONCE)

    async def ask_async() -> Json:
        return as_json(await function(*data))

    def ask() -> Any:
        said = function(*data)
        return _later(as_json, said) if inspect.isawaitable(said) else as_json(said)

    return await step_in_context(entry, run_context, ask_async if is_async(function) else ask)


async def _later(as_json: Callable[[Any], Json], said: Awaitable[Any]) -> Json:
    return as_json(await said)


# ---- the interruptions of the SDK


async def decide(
    state: RunState[Any],
    interruptions: list[ToolApprovalItem],
    agents: list[tuple[str, ...]],
    timeout_ms: int | None,
) -> None:
    """Ask about all interruptions of a turn at once, and tell the run's state when all are decided.

    agents: for each interruption, the names that `Question.agents` holds.
    """
    questions = [_question(item, path) for item, path in zip(interruptions, agents, strict=True)]
    decisions = await asyncio.gather(*(ask_human(question, timeout_ms=timeout_ms) for question in questions))
    decided = sorted(zip(interruptions, decisions, strict=True), key=lambda pair: not pair[1].always)
    for item, decision in decided:  # an `always` wipes out what is said of single calls, so it comes first
        if decision.approved:
            state.approve(item, always_approve=decision.always)
        else:
            state.reject(item, always_reject=decision.always, rejection_message=decision.message)


def _question(item: ToolApprovalItem, agents: tuple[str, ...]) -> Question:
    return Question(
        tool=item.qualified_name or item.name or "tool",
        arguments=_arguments(item.arguments),
        call_id=call_id_of(item),
        agents=agents,
    )


def call_id_of(item: ToolApprovalItem) -> str | None:
    raw: Any = item.raw_item
    fields = raw if isinstance(raw, dict) else vars(raw)
    return fields.get("call_id") or fields.get("id")


def _arguments(text: str | None) -> Json:
    """What the model wrote, as JSON where it is JSON."""
    try:
        return None if text is None else json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
