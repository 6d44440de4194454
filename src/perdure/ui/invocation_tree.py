"""Which step belongs beneath which: what a model asked for, under the model call that asked for it.

The journal is a list, in the order of what happened. A step says for which agents it was made (from the
outermost to the innermost) and for which tool call; a model call names the tool calls that it asks for. Ids
of calls are unique at the providers, but a scripted or a local model may give the same one twice: the agents
decide then, and the latest model call before the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from perdure.errors import RequestError
from perdure.inspection.records import Step
from perdure.inspection.step_content import ApprovalAsked, Content, FailedTry, ModelCall, ToolCall, read
from perdure.protocol.ids import decode_awakeable_id

_PAUSE_TOLERANCE_MS = 250


@dataclass(slots=True)
class Node:
    """A step, with what it brought and what belongs to it. asked: for a model call, its tool calls."""

    step: Step
    content: Content
    parent: Asked | None = None
    asked: list[Asked] = field(default_factory=list)
    is_pause: bool = False
    """It is the pause before another try."""
    decision: Step | None = None
    """The signal that answered an approval."""

    @property
    def root(self) -> Node:
        """The step at the top of the tree that it belongs to."""
        return self if self.parent is None else self.parent.by.root

    @property
    def depth(self) -> int:
        """0 at the top. What a tool call with steps of its own holds stands below a line of its own."""
        if self.parent is None:
            return 0
        return self.parent.by.depth + (1 if self.parent.is_one_step else 2)


@dataclass(slots=True)
class Asked:
    """A tool call: asked for by a model call, and the steps that it took."""

    by: Node
    call: ToolCall
    nodes: list[Node] = field(default_factory=list)

    @property
    def is_one_step(self) -> bool:
        """A tool that is a step; its approval and its tries may stand beside it. Else it makes steps of its
        own.
        """
        return bool(self.nodes) and all(
            isinstance(node.content.body, ApprovalAsked)
            or node.is_pause
            or node.step.name in _names_of(self.call)
            for node in self.nodes
        )


def _names_of(call: ToolCall) -> tuple[str, ...]:
    return call.name, f"claim {call.name}", "needs_approval", "on_approval"


def tree(steps: Sequence[Step], invocation_id: str) -> list[Node]:
    """All steps as nodes, in the order of the journal; those without a parent are the top of the tree.

    The signal that answers an approval is told by the approval, and is no node.
    """
    nodes = [Node(step, read(step)) for step in steps]
    _decide(nodes, invocation_id)
    answers = {node.decision.index for node in nodes if node.decision is not None}
    nodes = [node for node in nodes if node.step.index not in answers]
    models: list[Node] = []
    for node in nodes:
        _adopt(node, _asked_by(node, models))
        if isinstance(node.content.body, ModelCall):
            node.asked = [Asked(node, call) for call in node.content.body.tool_calls]
            models.append(node)
    for failed, pause in _pauses(nodes):
        pause.is_pause = True
        _adopt(pause, failed.parent)
    return nodes


def _adopt(node: Node, parent: Asked | None) -> None:
    node.parent = parent
    if parent is not None:
        parent.nodes.append(node)


def _decide(nodes: Sequence[Node], invocation_id: str) -> None:
    """Give each approval the first signal for its awakeable."""
    signals: dict[int, Step] = {}
    for node in nodes:
        if node.step.kind == "signal" and node.step.signal_id is not None:
            signals.setdefault(node.step.signal_id, node.step)
    for node in nodes:
        if isinstance(node.content.body, ApprovalAsked):
            try:
                asked_by, signal_id = decode_awakeable_id(node.content.body.awakeable_id)
            except RequestError:  # a step of a user's that looks like one of ours
                continue
            if asked_by == invocation_id:
                node.decision = signals.get(signal_id)


def _asked_by(node: Node, models: Sequence[Node]) -> Asked | None:
    """The tool call that it belongs to."""
    call_id, agents = node.content.call_id, node.content.agents
    if isinstance(node.content.body, ApprovalAsked):
        announced = node.content.body.announcement
        call_id = announced.get("call_id")
        named = announced.get("agents")
        agents = tuple(named) if isinstance(named, list) else agents
    if call_id is None:
        return _guessed(node, models) if node.step.completed is False else None
    is_model = isinstance(node.content.body, ModelCall)
    # A model call belongs to the call of a tool of the agent around its own.
    for wanted in (agents[:-1],) if is_model else (agents, agents[:-1]):
        for model in reversed(models):
            if model.content.agents == wanted:
                for asked in model.asked:
                    if asked.call.call_id == call_id:
                        return asked
    return None


def _guessed(node: Node, models: Sequence[Node]) -> Asked | None:
    """Of a step that is under way the journal knows the name alone: the first call of such a tool that has no
    result, of the latest model call that asked for one.
    """
    for model in reversed(models):
        for asked in model.asked:
            if asked.call.name == node.step.name and all(
                isinstance(each.content.body, FailedTry)
                for each in asked.nodes
                if each.step.name == node.step.name
            ):
                return asked
    return None


def _pauses(nodes: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """Failed tries, each with the sleep after it."""
    sleeps = [node for node in nodes if node.step.kind == "sleep" and node.step.wake_up_at is not None]
    for node in nodes:
        if not isinstance(node.content.body, FailedTry) or node.content.body.retry_in_ms is None:
            continue
        for sleep in sleeps:
            assert sleep.step.wake_up_at is not None
            slept_ms = (sleep.step.wake_up_at - sleep.step.started_at).total_seconds() * 1000
            if (
                sleep.step.index > node.step.index
                and not sleep.is_pause
                and (abs(slept_ms - node.content.body.retry_in_ms) < _PAUSE_TOLERANCE_MS)
            ):
                yield node, sleep
                break
