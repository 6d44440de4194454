"""The rows of an invocation's journal: the tree, line by line, with what the time line draws beside each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from perdure.inspection.records import Invocation, Step
from perdure.inspection.step_content import (
    ApprovalAsked,
    Claim,
    FailedTry,
    ModelCall,
    Pending,
    ToolResult,
)
from perdure.inspection.step_line import line_of
from perdure.ui.invocation_row import Bar, Kind, Row
from perdure.ui.invocation_spans import Spans
from perdure.ui.invocation_tree import Asked, Node, tree
from perdure.ui.text import clock

BRIEF_CHARS_MAX = 240
CANCEL_SIGNAL_ID = 1

_KINDS: Mapping[str, Kind] = {
    "input": "input",
    "output": "output",
    "run": "run",
    "call": "call",
    "send": "send",
    "sleep": "sleep",
    "get_promise": "wait",
    "attach_invocation": "wait",
    "get_invocation_output": "wait",
    "signal": "signal",
    "get_state": "state",
    "get_state_keys": "state",
    "set_state": "state",
    "clear_state": "state",
    "clear_all_state": "state",
}
_MODEL_STEPS = ("call LLM", "retrieve response")


@dataclass(frozen=True, slots=True)
class Rows:
    """tail: the index from which the rows are to be read again while the invocation runs: what stands before
    it is settled.
    """

    rows: list[Row]
    tail: int


def rows_of(
    steps: Sequence[Step],
    invocation: Invocation,
    origin: datetime,
    start: int = 0,
    *,
    with_orphans: bool = True,
) -> Rows:
    """The rows of what lies from the entry `start` on.

    steps: those, and some before them, which say what they belong to. origin: the beginning of the time line.
    with_orphans: also those that belong to a model call before `start`.
    """
    nodes = tree(steps, invocation.id)
    here = [node for node in nodes if node.step.index >= start]
    tops = [node for node in here if node.parent is None]
    shown = tops
    if with_orphans:
        shown = [n for n in here if n.parent is None or n.parent.by.step.index < start]
    spans = Spans(invocation, origin, nodes)
    return Rows(list(_Writer(spans, nodes).level(shown)), max(_tail(here, tops, spans), start))


def _tail(here: Sequence[Node], tops: Sequence[Node], spans: Spans) -> int:
    """What is open may change; and the last model call may get more steps, with nothing open in between."""
    unsettled = [node.root.step.index for node in here if spans.state(node) in ("open", "asks")]
    last_model = [node.step.index for node in tops if isinstance(node.content.body, ModelCall)][-1:]
    last = [node.step.index for node in tops][-1:]
    return min([*unsettled, *(last_model or last)], default=0)


class _Writer:
    def __init__(self, spans: Spans, nodes: Sequence[Node]) -> None:
        self._spans = spans
        self._turn_before = dict(_turns(nodes))

    def level(self, nodes: Sequence[Node]) -> Iterator[Row]:
        """Nodes side by side, each with all beneath it."""
        for node in nodes:
            before = self._turn_before.get(node.step.index)
            if before is not None and _hands_over(before, node):
                yield self._handoff(before, node)
            yield self._row(node)
            for asked in sorted((a for a in node.asked if a.nodes), key=lambda a: a.nodes[0].step.index):
                if not asked.is_one_step:
                    yield self._of_tool_call(asked, node.depth + 1)
                yield from self.level(sorted(asked.nodes, key=lambda node: node.step.index))

    def _handoff(self, before: Node, node: Node) -> Row:
        return Row(
            id=f"h{node.step.index}",
            depth=node.depth,
            kind="handoff",
            title=f"{before.content.agent} hands over to {node.content.agent}",
            agent=node.content.agent,
        )

    def _of_tool_call(self, asked: Asked, depth: int) -> Row:
        bars = [bar for node in asked.nodes for bar in self._spans.bars(node)]
        ends = [bar.end_ms for bar in bars]
        is_open = any(self._spans.state(node) in ("open", "asks") for node in asked.nodes)
        end_ms = None if is_open else max((end for end in ends if end is not None), default=0)
        return Row(
            id=f"c{asked.nodes[0].step.index}",
            depth=depth,
            kind="tool",
            title=asked.call.name,
            state="open" if is_open else "done",
            bars=(Bar("group", min(bar.start_ms for bar in bars), end_ms),) if bars else (),
            asked_by=asked.by.step.index,
            call_id=asked.call.call_id,
            arguments=_line(asked.call.arguments),
        )

    def _row(self, node: Node) -> Row:
        step, content = node.step, node.content
        body, asked = content.body, node.parent
        is_tool_step = asked is not None and asked.call.name == step.name
        row = Row(
            id=f"s{step.index}",
            depth=node.depth,
            kind=_kind(node),
            title=step.label,
            step=step,
            brief=_line(step.failure or ("" if step.kind == "send" else _read(line_of(content)))),
            state=self._spans.state(node),
            bars=tuple(self._spans.bars(node)),
            agent=content.agent,
            child_id=step.invoked_id if step.kind in ("call", "send") else None,
            child_target=step.invoked_target,
            asked_by=asked.by.step.index if asked is not None else None,
            call_id=asked.call.call_id if asked is not None else None,
            arguments=_line(asked.call.arguments) if asked is not None and is_tool_step else None,
        )
        match body:
            case ModelCall() as call:
                return replace(
                    row,
                    title=content.agent or step.name,
                    note=call.model or "",
                    brief=_line(_said(call)),
                    tokens=(call.input_tokens, call.output_tokens),
                    usd=call.usd,
                    price_list=call.price_list,
                )
            case ApprovalAsked(awakeable_id, tool, arguments):
                return replace(
                    row,
                    title=f"approval of {tool}",
                    brief="nobody decided in time" if self._spans.has_expired(node) else _decided(node),
                    awakeable_id=awakeable_id,
                    arguments=_line(json.dumps(arguments, ensure_ascii=False)),
                )
            case FailedTry() | Pending() if step.name in _MODEL_STEPS:
                return replace(row, title=content.agent or step.name)
        title, note = _words(node)
        is_asleep = row.state == "open" and step.wake_up_at is not None
        brief = f"until {clock(step.wake_up_at)}" if is_asleep and step.wake_up_at else row.brief
        return replace(row, title=title, note=note, brief=brief)


def _turns(nodes: Sequence[Node]) -> Iterator[tuple[int, Node]]:
    """For each model call, by its index, the one before it in the same run."""
    last: dict[int | None, Node] = {}
    for node in nodes:
        if isinstance(node.content.body, ModelCall):
            run = id(node.parent) if node.parent is not None else None
            if run in last:
                yield node.step.index, last[run]
            last[run] = node


def _kind(node: Node) -> Kind:
    step, body = node.step, node.content.body
    if isinstance(body, ModelCall | Pending) or (
        step.name in _MODEL_STEPS and not isinstance(body, ToolResult)
    ):
        return "model"
    if isinstance(body, ApprovalAsked):
        return "approval"
    if isinstance(body, ToolResult) or (node.parent is not None and node.parent.call.name == step.name):
        return "tool"
    return _KINDS.get(step.kind, "other")


def _words(node: Node) -> tuple[str, str]:
    """Title and note of a step that is no model call."""
    step = node.step
    words = step.kind.replace("_", " ")
    if node.is_pause:
        return "pause before the next try", ""
    if step.kind == "signal" and step.signal_id == CANCEL_SIGNAL_ID:
        return "asked to cancel", ""
    if (named := step.state_key or step.promise_key) is not None:
        return named, words
    if isinstance(node.content.body, Claim):
        return step.label, "to start it once"
    return step.label, "" if step.label == words or step.kind == "run" else words


def _hands_over(before: Node, after: Node) -> bool:
    """Whether the agent of the first has given the conversation to that of the second."""
    first, second = before.content.agent, after.content.agent
    return (
        None not in (first, second)
        and first != second
        and any(asked.call.name.startswith("transfer_to_") or not asked.nodes for asked in before.asked)
    )


def _said(call: ModelCall) -> str:
    """The arguments of its tool calls stand in their own rows."""
    calls = ", ".join(each.name for each in call.tool_calls)
    said = [*call.messages, *([f"→ {calls}"] if calls else []), *call.others]
    return " ".join(said) or ("(reasoning)" if call.reasoning else "(nothing)")


def _read(text: str) -> str:
    """What a JSON string says; other text as it is."""
    try:
        said = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return str(said)


def _decided(node: Node) -> str:
    if node.decision is None:
        return ""
    if node.decision.failure is not None:
        return f"rejected: {node.decision.failure}"
    try:
        told = json.loads(node.decision.value or b"")
        verdict = "approved" if told["approved"] is True else "rejected"
    except (ValueError, KeyError, TypeError):
        return "answered, but by no decision"
    by, message = told.get("by"), told.get("message")
    return f"{verdict}{f' by {by}' if by else ''}{f': {message}' if message else ''}"


def _line(text: str) -> str:
    """The beginning of a text, in one line."""
    return " ".join(text[: BRIEF_CHARS_MAX * 4].split())[:BRIEF_CHARS_MAX]
