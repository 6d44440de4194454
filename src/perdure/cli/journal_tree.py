"""`perdure invocations describe`: the facts of an invocation, and its journal as a tree.

One line a command, with its completion folded in: what it was, when it began, how long it took, and
what came of it. A call has the journal of what it called beneath it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from perdure.cli.invocation_table import status_text, took
from perdure.cli.terminal import console, duration, local_time, now
from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import invocation
from perdure.inspection.journal import whole_journal
from perdure.inspection.money import cost, without_price
from perdure.inspection.records import Invocation, Step
from perdure.inspection.step_content import read
from perdure.inspection.step_line import line_of
from perdure.inspection.usage import Usage, usage_of

_NAME_WIDTH_MAX = 40
_VALUE_BYTES_MAX = 8_000  # more than a line of a terminal has


@dataclass(frozen=True)
class Node:
    """An invocation, its steps, and those that it called, by id."""

    invocation: Invocation
    steps: list[Step]
    called: dict[str, Node] = field(default_factory=dict)


async def tree_of(api: AdminApi, invocation_id: str, depth: int) -> Node:
    """An invocation with what it called, what that called, and so on for `depth` levels.

    Raises RequestError(404).
    """
    node = Node(
        await invocation(api, invocation_id), await whole_journal(api, invocation_id, _VALUE_BYTES_MAX)
    )
    for step in node.steps if depth else ():
        if step.kind == "call" and step.invoked_id is not None:
            try:
                node.called[step.invoked_id] = await tree_of(api, step.invoked_id, depth - 1)
            except RequestError as error:
                if error.status != 404:  # one is past its retention: its caller may be kept for longer
                    raise
    return node


def print_tree(node: Node) -> None:
    console().print(rendered(node))


def rendered(node: Node) -> Group:
    """The facts of the invocation, and its tree."""
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in (*_facts(node.invocation), *_usage(usage_of(node.steps))):
        facts.add_row(name, value)
    tree = Tree(Text(node.invocation.target, style="bold"), guide_style="dim")
    _grow(tree, node)
    return Group(Text(node.invocation.id, style="bold"), facts, "", tree)


def _facts(invocation: Invocation) -> Iterator[tuple[str, Text]]:
    yield "target", Text(invocation.target)
    yield "status", status_text(invocation)
    created = invocation.created_at
    yield "created", Text(f"{local_time(created)} ({duration((now() - created).total_seconds())} ago)")
    if lived := took(invocation):
        yield "took", Text(lived)
    if invocation.scheduled_at is not None and invocation.status == "scheduled":
        yield "starts", Text(_until(invocation.scheduled_at))
    if invocation.retry_count:
        yield "retries", Text(str(invocation.retry_count))
    if invocation.next_retry_at is not None:
        yield "next retry", Text(_until(invocation.next_retry_at))
    if invocation.caller_id is not None:
        yield "called by", Text(f"{invocation.caller_target or ''} {invocation.caller_id}".strip())
    if invocation.idempotency_key is not None:
        yield "idempotency key", Text(invocation.idempotency_key)
    if invocation.deployment_id is not None:
        yield "deployment", Text(invocation.deployment_id)
    if invocation.kept_until is not None:
        yield "purged", Text(_until(invocation.kept_until))
    if invocation.result_preview is not None:
        yield "result", Text(invocation.result_preview)
    if invocation.last_failure:
        yield "last failure", Text(invocation.last_failure, style="red")
    if invocation.failure:
        yield "failure", Text(invocation.failure, style="red")


def _usage(used: Usage) -> Iterator[tuple[str, Text]]:
    """Of its own model calls, without those of what it called."""
    if not used.calls:
        return
    yield "model calls", Text(f"{used.calls:,}, {used.input_tokens:,} + {used.output_tokens:,} tokens")
    parts = [] if used.usd is None else [cost(used.usd, used.price_list)]
    parts += [without_price(used.calls_unpriced)] if used.calls_unpriced else []
    whose = f" (≈ by list prices: {used.price_list})" if used.price_list is not None else ""
    yield "cost", Text(", ".join(parts) + whose)


def _grow(tree: Tree, node: Node) -> None:
    if not node.steps:
        tree.add(Text("nothing journaled yet", style="dim"))
        return
    began = node.invocation.created_at
    number_width = len(str(node.steps[-1].index)) + 1
    name_width = min(max(len(step.label) for step in node.steps), _NAME_WIDTH_MAX)
    kind_width = max(len(_kind_beside_label(step)) for step in node.steps)
    for step in node.steps:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"#{step.index}".ljust(number_width + 1), style="dim")
        line.append(_cut(step.label, name_width).ljust(name_width + 2), style="bold")
        line.append(_kind_beside_label(step).ljust(kind_width + 2), style="cyan")
        line.append(f"+{duration((step.started_at - began).total_seconds())}".ljust(9), style="dim")
        line.append_text(_outcome(step, node.invocation.status))
        line.rstrip()
        branch = tree.add(line)
        if step.kind == "call" and (called := node.called.get(step.invoked_id or "")) is not None:
            _grow(branch, called)


def _kind_beside_label(step: Step) -> str:
    words = step.kind.replace("_", " ")
    return "" if step.label == words else words


def _outcome(step: Step, status: str) -> Text:
    parts: list[Text] = []
    if step.completed is False:
        parts.append(_unfinished(step, status))
    elif step.took is not None:
        parts.append(Text(f"took {duration(step.took.total_seconds())}".ljust(12)))
    if step.invoked_id is not None:
        parts.append(Text(step.invoked_id, style="dim"))
    if step.failure is not None:
        parts.append(Text(f"failed: {_flat(step.failure)}", style="red"))
    elif step.value is not None:
        content = read(step)
        parts.append(Text(_flat(line_of(content)), style="red" if content.failed else ""))
    return Text("  ").join(parts)


def _unfinished(step: Step, status: str) -> Text:
    if status == "completed":
        return Text("never finished", style="dim")
    if step.wake_up_at is not None:
        return Text(f"sleeps until {_until(step.wake_up_at)}", style="yellow")
    waited = duration((now() - step.started_at).total_seconds())
    if step.kind == "run":
        doing = "running for" if status == "running" else f"not done ({status}) after"
        return Text(f"{doing} {waited}", style="yellow")
    return Text(f"waiting for {waited}", style="yellow")


def _until(moment: datetime) -> str:
    left_s = (moment - now()).total_seconds()
    return f"{local_time(moment)} ({f'in {duration(left_s)}' if left_s > 0 else 'due'})"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
