"""The rows of an invocation's journal: the tree, line by line, with what the time line draws beside each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Literal

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
from perdure.ui.invocation_tree import Asked, Node, tree
from perdure.ui.text import clock

BRIEF_CHARS_MAX = 240
CANCEL_SIGNAL_ID = 1

Kind = Literal[
    "input", "output", "model", "tool", "run", "handoff", "approval", "call", "send", "sleep", "state",
    "wait", "signal", "other",
]  # fmt: skip
State = Literal["done", "failed", "retried", "open", "asks", "never"]
"""retried: failed, and tried again. asks: an approval that waits for a decision. never: it had not ended when
the invocation did.
"""

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
class Bar:
    """A span on the time line, in ms since the beginning. end_ms: None while it lasts.

    kind: `work` is what keeps the handler busy. `wait` costs nothing, the handler may be suspended meanwhile.
    `queue`: it had not begun. `group`: of all that is beneath it.
    """

    kind: Literal["work", "wait", "queue", "group"]
    start_ms: int
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line. step: None for a handoff, and for a tool call that is no step but has some beneath it.

    brief: what came of it, in the beginning of one line. asked_by: the index of the model call that asked for
    it, and call_id under which name. child_id: of the invocation that it calls.
    """

    id: str
    depth: int
    kind: Kind
    title: str
    step: Step | None = None
    note: str = ""
    brief: str = ""
    state: State = "done"
    bars: tuple[Bar, ...] = ()
    agent: str | None = None
    tokens: tuple[int, int] | None = None
    usd: float | None = None
    child_id: str | None = None
    child_target: str | None = None
    asked_by: int | None = None
    call_id: str | None = None
    awakeable_id: str | None = None
    arguments: str | None = None

    @property
    def version(self) -> str:
        """Another one for a row that has changed."""
        return blake2b(repr(self).encode(), digest_size=8).hexdigest()

    @property
    def start_ms(self) -> int | None:
        return min((bar.start_ms for bar in self.bars), default=None)

    @property
    def took_ms(self) -> int | None:
        """None while it lasts, and for what takes no time."""
        ends = [bar.end_ms for bar in self.bars if bar.end_ms is not None]
        if len(ends) < len(self.bars) or not ends or self.state in ("open", "never"):
            return None
        took_ms = max(ends) - min(bar.start_ms for bar in self.bars)
        return took_ms if took_ms or self.kind in ("model", "tool", "run") else None


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
    writer = _Writer(invocation, origin, nodes)
    return Rows(list(writer.level(shown)), max(_tail(here, tops, writer), start))


def _tail(here: Sequence[Node], tops: Sequence[Node], writer: _Writer) -> int:
    """What is open may change; and the last model call may get more steps, with nothing open in between."""
    unsettled = [node.root.step.index for node in here if writer.state(node) in ("open", "asks")]
    last_model = [node.step.index for node in tops if isinstance(node.content.body, ModelCall)][-1:]
    last = [node.step.index for node in tops][-1:]
    return min([*unsettled, *(last_model or last)], default=0)


class _Writer:
    def __init__(self, invocation: Invocation, origin: datetime, nodes: Sequence[Node]) -> None:
        self._invocation = invocation
        self._origin = origin
        self._began = next((node.step.started_at for node in nodes if node.step.kind != "input"), None)
        self._turn_before = dict(_turns(nodes))

    # ---- lines

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
        bars = [bar for node in asked.nodes for bar in self._bars(node)]
        ends = [bar.end_ms for bar in bars]
        is_open = any(self.state(node) in ("open", "asks") for node in asked.nodes)
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
            state=self.state(node),
            bars=tuple(self._bars(node)),
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
                )
            case ApprovalAsked(awakeable_id, tool, arguments):
                return replace(
                    row,
                    title=f"approval of {tool}",
                    brief=_decided(node),
                    awakeable_id=awakeable_id,
                    arguments=_line(json.dumps(arguments, ensure_ascii=False)),
                )
            case FailedTry() | Pending() if step.name in _MODEL_STEPS:
                return replace(row, title=content.agent or step.name)
        title, note = _words(node)
        is_asleep = row.state == "open" and step.wake_up_at is not None
        brief = f"until {clock(step.wake_up_at)}" if is_asleep and step.wake_up_at else row.brief
        return replace(row, title=title, note=note, brief=brief)

    # ---- what a step has come to

    def state(self, node: Node) -> State:
        step, body = node.step, node.content.body
        is_over = self._invocation.status == "completed"
        if (
            step.kind == "input"
            and self._began is None
            and self._invocation.status in ("scheduled", "pending")
        ):
            return "open"
        if step.completed is False:
            return "never" if is_over else "open"
        if isinstance(body, FailedTry):
            return "failed" if body.retry_in_ms is None else "retried"
        if isinstance(body, ApprovalAsked) and node.decision is None:
            return "never" if is_over else "asks"
        return "failed" if step.failure or node.content.failed else "done"

    # ---- spans

    def _bars(self, node: Node) -> Iterator[Bar]:
        step = node.step
        start_ms = self._ms(step.started_at)
        if step.kind == "input":
            if self._began is None or self._began > step.started_at:
                yield Bar("queue", start_ms, None if self._began is None else self._ms(self._began))
            return
        if step.kind == "sleep" and step.ended_at is None and step.wake_up_at is not None:
            yield Bar("wait", start_ms, self._end_ms(step.wake_up_at))
            return
        kind: Literal["work", "wait"] = "work" if step.kind == "run" else "wait"
        yield Bar(kind, start_ms, start_ms if step.completed is None else self._end_ms(step.ended_at, kind))
        if isinstance(node.content.body, ApprovalAsked) and step.ended_at is not None:
            decided_at = None if node.decision is None else node.decision.started_at
            yield Bar("wait", self._ms(step.ended_at), self._end_ms(decided_at))

    def _end_ms(self, end: datetime | None, kind: str = "wait") -> int | None:
        """None: it lasts. Nothing works in an invocation that does not run."""
        over = self._invocation.completed_at
        if end is None and over is None and kind == "work" and self._invocation.status != "running":
            end = self._invocation.modified_at
        if over is not None and (end is None or end > over):
            end = over
        return None if end is None else self._ms(end)

    def _ms(self, moment: datetime) -> int:
        return round((moment - self._origin).total_seconds() * 1000)


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
