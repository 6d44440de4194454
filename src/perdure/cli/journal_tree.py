"""`perdure invocations describe`: the facts of an invocation, and its journal as a tree.

One line a command, with its completion folded in: what it was, when it began, how long it took, and
what came of it. A call has the journal of what it called beneath it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from perdure.cli.admin_client import Invocation, JournalEntry
from perdure.cli.invocation_table import status_text, took
from perdure.cli.step_value import readable
from perdure.cli.terminal import console, duration, local_time, now, parse_time

_NAME_WIDTH_MAX = 40
_CANCEL_SIGNAL_ID = 1  # the service protocol's; those of awakeables begin at 17


def print_invocation(invocation: Invocation, called: Mapping[str, Invocation]) -> None:
    """`called` holds the invocations to show beneath its calls, by id."""
    out = console()
    out.print(Text(invocation["id"], style="bold"))
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(invocation):
        facts.add_row(name, value)
    out.print(facts)
    out.print()
    tree = Tree(Text(invocation["target"], style="bold"), guide_style="dim")
    _grow(tree, invocation, called, {invocation["id"]})
    out.print(tree)


def _facts(invocation: Invocation) -> Iterator[tuple[str, Text]]:
    yield "target", Text(invocation["target"])
    yield "status", status_text(invocation)
    created = parse_time(invocation["created_at"])
    yield "created", Text(f"{local_time(created)} ({duration((now() - created).total_seconds())} ago)")
    if lived := took(invocation):
        yield "took", Text(lived)
    if "scheduled_start_at" in invocation and invocation["status"] == "scheduled":
        yield "starts", Text(_until(parse_time(invocation["scheduled_start_at"])))
    if retries := invocation.get("retry_count"):
        yield "retries", Text(str(retries))
    if "next_retry_at" in invocation:
        yield "next retry", Text(_until(parse_time(invocation["next_retry_at"])))
    if "invoked_by_id" in invocation:
        caller = f"{invocation.get('invoked_by_target', '')} {invocation['invoked_by_id']}".strip()
        yield "called by", Text(caller)
    if "idempotency_key" in invocation:
        yield "idempotency key", Text(invocation["idempotency_key"])
    if "pinned_deployment_id" in invocation:
        yield "deployment", Text(invocation["pinned_deployment_id"])
    if "value_preview" in invocation:
        yield "result", Text(invocation["value_preview"])
    for name in ("last_failure", "completion_failure"):
        if text := invocation.get(name):
            yield (
                ("failure" if name == "completion_failure" else "last failure"),
                Text(str(text), style="red"),
            )


def _grow(tree: Tree, invocation: Invocation, called: Mapping[str, Invocation], shown: set[str]) -> None:
    entries = [entry for entry in invocation.get("journal", []) if _is_told(entry)]
    if not entries:
        tree.add(Text("nothing journaled yet", style="dim"))
        return
    began = parse_time(invocation["created_at"])
    number_width = len(str(entries[-1]["index"])) + 1
    name_width = min(max(len(_name(entry)) for entry in entries), _NAME_WIDTH_MAX)
    kind_width = max(len(_kind_beside_name(entry)) for entry in entries)
    for entry in entries:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"#{entry['index']}".ljust(number_width + 1), style="dim")
        line.append(_cut(_name(entry), name_width).ljust(name_width + 2), style="bold")
        line.append(_kind_beside_name(entry).ljust(kind_width + 2), style="cyan")
        offset_s = (parse_time(entry["appended_at"]) - began).total_seconds()
        line.append(f"+{duration(offset_s)}".ljust(9), style="dim")
        line.append_text(_outcome(entry, invocation["status"]))
        line.rstrip()
        branch = tree.add(line)
        child = called.get(entry.get("invoked_id", ""))
        if child is not None and child["id"] not in shown:
            _grow(branch, child, called, shown | {child["id"]})


def _is_told(entry: JournalEntry) -> bool:
    """Commands, and the signals that no command asked for; other notifications complete a command."""
    return entry["entry_type"].startswith("Command: ") or entry["entry_type"] == "Notification: Signal"


def _kind(entry: JournalEntry) -> str:
    kind = entry["entry_type"].partition(": ")[2]
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()
    return {"one way call": "send"}.get(spaced, spaced)


def _kind_beside_name(entry: JournalEntry) -> str:
    return "" if _name(entry) == _kind(entry) else _kind(entry)


def _name(entry: JournalEntry) -> str:
    return entry.get("name") or entry.get("invoked_target") or _signal_name(entry) or _kind(entry)


def _signal_name(entry: JournalEntry) -> str | None:
    if "signal_id" in entry:
        return "cancel" if entry["signal_id"] == _CANCEL_SIGNAL_ID else f"awakeable {entry['signal_id']}"
    return entry.get("signal_name")


def _outcome(entry: JournalEntry, status: str) -> Text:
    parts: list[Text] = []
    if entry.get("completed") is False:
        parts.append(_unfinished(entry, status))
    elif "completed_at" in entry:
        spent = parse_time(entry["completed_at"]) - parse_time(entry["appended_at"])
        parts.append(Text(f"took {duration(spent.total_seconds())}".ljust(12)))
    if "invoked_id" in entry:
        parts.append(Text(entry["invoked_id"], style="dim"))
    if "failure_preview" in entry:
        parts.append(Text(f"failed: {_flat(entry['failure_preview'])}", style="red"))
    elif "value_preview" in entry:
        text, failed = entry["value_preview"], False
        if entry["entry_type"] == "Command: Run":
            text, failed = readable(text)
        parts.append(Text(_flat(text), style="red" if failed else ""))
    return Text("  ").join(parts)


def _unfinished(entry: JournalEntry, status: str) -> Text:
    if status == "completed":
        return Text("never finished", style="dim")
    if "sleep_wakeup_at" in entry:
        return Text(f"sleeps until {_until(parse_time(entry['sleep_wakeup_at']))}", style="yellow")
    waited = duration((now() - parse_time(entry["appended_at"])).total_seconds())
    if entry["entry_type"] == "Command: Run":
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
