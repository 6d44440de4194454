"""The tree of a journal and its bars, by tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from journal_script import BEGAN, ID, at, command, invocation, model, ran, tool

from perdure.inspection.records import Invocation, Step
from perdure.protocol.ids import encode_awakeable_id
from perdure.ui.invocation_row import Row
from perdure.ui.invocation_rows import rows_of

INPUT = command(0, "input", 0, value=b'"hello"')
TRIAGE, BOOKING = ("Triage",), ("Booking",)


def lines(steps: Sequence[Step], of: Invocation | None = None, start: int = 0) -> list[str]:
    """The tree as text: two blanks a level, `kind title`."""
    rows = rows_of(steps, of or invocation(), BEGAN, start).rows
    return [f"{'  ' * row.depth}{row.kind} {row.title}" for row in rows]


def row_of(steps: Sequence[Step], of: Invocation, row_id: str) -> Row:
    return next(row for row in rows_of(steps, of, BEGAN).rows if row.id == row_id)


TREES: dict[str, tuple[list[Step], list[str]]] = {
    "what a model asks for stands beneath it, a plain tool as its step": (
        [
            INPUT,
            model(1, 1, 5, TRIAGE, ("book", "c1"), ("pay", "c2")),
            tool(3, "book", 6, 9, "c1", "Triage"),
            tool(4, "pay", 6, 8, "c2", "Triage"),
            model(7, 10, 12, TRIAGE, "Done."),
            command(9, "output", 13, value=b'"Done."'),
        ],
        ["input input", "model Triage", "  tool book", "  tool pay", "model Triage", "output output"],
    ),
    "a tool with steps of its own has a line of its own": (
        [
            model(1, 1, 5, TRIAGE, ("prices", "c1")),
            ran(3, "price Grand", 6, 9, 1, agents=TRIAGE, call_id="c1"),
            ran(4, "price Bristol", 6, 9, 2, agents=TRIAGE, call_id="c1"),
        ],
        ["model Triage", "  tool prices", "    run price Grand", "    run price Bristol"],
    ),
    "an agent within an agent, which uses a tool of its own; its model gives the same ids again": (
        [
            model(1, 1, 2, ("Editor",), ("ask_critic", "c1"), ("search", "c2")),
            model(3, 3, 4, ("Editor", "Critic"), ("search", "c2"), call_id="c1"),
            tool(5, "search", 5, 6, "c2", "Editor", "Critic"),
            tool(7, "search", 3, 9, "c2", "Editor"),
            model(9, 10, 11, ("Editor", "Critic"), "Bad.", call_id="c1"),
        ],
        [
            "model Editor",
            "  tool ask_critic",
            "    model Critic",
            "      tool search",
            "    model Critic",
            "  tool search",
        ],
    ),
    "a handoff is told, and not taken for another run": (
        [
            model(1, 1, 2, TRIAGE, ("transfer_to_booking", "c1")),
            model(3, 3, 4, BOOKING, "Booked."),
            model(5, 5, 6, TRIAGE, "Another run."),
        ],
        ["model Triage", "handoff Triage hands over to Booking", "model Booking", "model Triage"],
    ),
    "tries of a tool, and the pause between them": (
        [
            model(1, 1, 2, TRIAGE, ("book", "c1")),
            ran(3, "book", 3, 4, {"again_in_ms": 500, "error": "Busy: no"}, agents=TRIAGE, call_id="c1"),
            command(5, "sleep", 4, 504, wake_up_at=at(504)),
            tool(7, "book", 505, 510, "c1", "Triage"),
        ],
        ["model Triage", "  tool book", "  sleep pause before the next try", "  tool book"],
    ),
    "a journal of before there were facts, and of others": (
        [
            INPUT,
            ran(1, "call LLM", 1, 2, {"version": 1, "output": []}),
            command(3, "run", 3, 4, name="x", value=b"\xff"),
        ],
        ["input input", "model call LLM", "run x"],
    ),
    "state, calls, promises, signals": (
        [
            command(1, "get_state", 1, 1, state_key="total", value=b"1"),
            command(2, "call", 2, 9, invoked_target="Other/do", invoked_id="inv_x"),
            command(5, "get_promise", 9, 10, promise_key="paid"),
            command(7, "signal", 11, signal_id=1),
        ],
        ["state total", "call Other/do", "wait paid", "signal asked to cancel"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), TREES.values(), ids=TREES)
def test_the_tree(steps: list[Step], expected: list[str]) -> None:
    assert lines(steps) == expected


def approval(decision: Step | None, of: Invocation, **more: str) -> Row:
    asked = {
        "version": 1, "awakeable_id": encode_awakeable_id(ID, 17), "tool": "pay", "arguments": {"euros": 5},
        "call_id": "c1", "agent": "Triage", "agents": ["Triage"], "asked_at": "2026-11-23T07:00:00Z", **more,
    }  # fmt: skip
    steps = [model(1, 1, 2, TRIAGE, ("pay", "c1")), ran(3, "approval pay", 3, 4, asked)]
    rows = rows_of([*steps, *([decision] if decision else [])], of, BEGAN).rows
    assert [row.kind for row in rows] == ["model", "approval"]  # the signal is told by the approval
    assert rows[1].depth == 1
    return rows[1]


def signal(decision: object) -> Step:
    return command(5, "signal", 90_000, signal_id=17, value=json.dumps(decision).encode())


@pytest.mark.parametrize(
    ("decision", "of", "state", "brief", "waited"),
    [
        (None, invocation(), "asks", "", (4, None)),
        (None, invocation("completed", completed_ms=700), "never", "", (4, 700)),
        (signal({"approved": True, "by": "Ada"}), invocation(), "done", "approved by Ada", (4, 90_000)),
        (signal({"approved": False, "message": "no"}), invocation(), "done", "rejected: no", (4, 90_000)),
        (signal("yes"), invocation(), "done", "answered, but by no decision", (4, 90_000)),
    ],
)
def test_an_approval_waits_until_it_is_decided(
    decision: Step | None, of: Invocation, state: str, brief: str, waited: tuple[int, int | None]
) -> None:
    row = approval(decision, of)
    assert (row.state, row.brief) == (state, brief)
    assert [(bar.kind, bar.start_ms, bar.end_ms) for bar in row.bars] == [("work", 3, 4), ("wait", *waited)]


def test_an_approval_that_nobody_decided_in_time_waits_no_more() -> None:
    row = approval(None, invocation(), expires_at=at(500).isoformat())
    assert (row.state, row.brief, row.bars[1].end_ms) == ("done", "nobody decided in time", 500)


@pytest.mark.parametrize(
    ("step", "of", "state", "bars"),
    [
        (ran(1, "x", 5, 9, 1), invocation(), "done", [("work", 5, 9)]),
        (ran(1, "x", 5, None), invocation(), "open", [("work", 5, None)]),
        # nothing works in an invocation that does not run
        (ran(1, "x", 5, None), invocation("paused", modified_at=at(40)), "open", [("work", 5, 40)]),
        (ran(1, "x", 5, None), invocation("completed", completed_ms=50), "never", [("work", 5, 50)]),
        (
            ran(1, "x", 5, 9, error={"type": "m:Busy", "message": "no", "retry_in_ms": 10}),
            invocation(),
            "retried",
            [("work", 5, 9)],
        ),
        (
            ran(1, "x", 5, 9, error={"type": "m:Busy", "message": "no"}),
            invocation(),
            "failed",
            [("work", 5, 9)],
        ),
        (command(1, "call", 5, 9, failure="[500] no"), invocation(), "failed", [("wait", 5, 9)]),
        # it sleeps on until then, as far as one knows
        (command(1, "sleep", 5, completed=False, wake_up_at=at(99)), invocation(), "open", [("wait", 5, 99)]),
        (
            command(1, "sleep", 5, completed=False, wake_up_at=at(99)),
            invocation("completed", completed_ms=20),
            "never",
            [("wait", 5, 20)],
        ),
        (command(1, "set_state", 5, state_key="x"), invocation(), "done", [("wait", 5, 5)]),
    ],
)
def test_bars(step: Step, of: Invocation, state: str, bars: list[tuple[str, int, int | None]]) -> None:
    row = row_of([INPUT, step], of, "s1")
    assert row.state == state
    assert [(bar.kind, bar.start_ms, bar.end_ms) for bar in row.bars] == bars


@pytest.mark.parametrize(
    ("steps", "queued"),
    [([INPUT], [(0, None)]), ([INPUT, ran(1, "x", 300, 301)], [(0, 300)]), ([INPUT, ran(1, "x", 0, 3)], [])],
    ids=["waits for its turn", "waited", "began at once"],
)
def test_an_invocation_waits_until_its_first_step(
    steps: list[Step], queued: list[tuple[int, int | None]]
) -> None:
    bars = row_of(steps, invocation("pending" if len(steps) == 1 else "running"), "s0").bars
    assert [(bar.start_ms, bar.end_ms) for bar in bars] == queued


def test_a_tool_call_with_steps_spans_them_all() -> None:
    steps = [
        model(1, 1, 5, TRIAGE, ("prices", "c1")),
        ran(3, "a", 6, 9, 1, agents=TRIAGE, call_id="c1"),
        ran(4, "b", 7, 20, 2, agents=TRIAGE, call_id="c1"),
    ]
    row = row_of(steps, invocation(), "c3")
    assert [(bar.kind, bar.start_ms, bar.end_ms) for bar in row.bars] == [("group", 6, 20)]
    assert (row.took_ms, row.state, row.asked_by, row.call_id) == (14, "done", 1, "c1")


def test_a_model_call_says_what_it_used_and_a_tool_what_it_was_given() -> None:
    steps = [
        model(1, 1, 5, TRIAGE, "Well.", ("book", "c1"), model="gpt-5", usd=0.5),
        tool(3, "book", 6, 9, "c1", "Triage"),
    ]
    asked, answered = rows_of(steps, invocation(), BEGAN).rows
    assert (asked.title, asked.note, asked.tokens, asked.usd) == ("Triage", "gpt-5", (10, 5), 0.5)
    assert asked.brief == "Well. → book"
    assert (answered.arguments, answered.brief, answered.asked_by) == ('{"of": "c1"}', "book is done", 1)


# ---- while it runs, and page by page

TURNS = [
    INPUT,
    model(1, 1, 2, TRIAGE, ("a", "c1"), ("b", "c2")),
    tool(3, "a", 3, None, "c1", "Triage"),
    tool(4, "b", 3, 5, "c2", "Triage"),
    model(7, 9, 10, TRIAGE, ("a", "c3")),
    tool(9, "a", 11, 12, "c3", "Triage"),
]


def settled(step: Step) -> Step:
    return tool(3, "a", 3, 8, "c1", "Triage") if step.index == 3 else step


@pytest.mark.parametrize(
    ("steps", "tail"),
    [
        ([INPUT], 0),
        (TURNS[:2], 1),
        (TURNS[:4], 1),
        (TURNS, 1),  # a tool of the first turn is still under way
        ([settled(step) for step in TURNS], 7),
        ([INPUT, ran(1, "x", 1, 2), ran(3, "y", 3, 4)], 3),
    ],
)
def test_what_is_settled_is_not_read_again(steps: list[Step], tail: int) -> None:
    assert rows_of(steps, invocation(), BEGAN).tail == tail


def test_the_tail_is_the_end_of_the_whole_tree() -> None:
    steps = [settled(step) for step in TURNS]
    whole = rows_of(steps, invocation(), BEGAN)
    tail = rows_of(steps, invocation(), BEGAN, whole.tail, with_orphans=False)
    assert [row.id for row in tail.rows] == ["s7", "s9"]
    assert [row.version for row in tail.rows] == [row.version for row in whole.rows[-2:]]


def test_a_page_shows_what_belongs_to_a_model_call_of_the_page_before() -> None:
    assert lines(TURNS, start=4) == ["  tool b", "model Triage", "  tool a"]


def test_tools_under_way_stand_where_they_will_stand() -> None:
    """Of what is under way the journal has the name alone."""
    steps = [
        model(1, 1, 2, TRIAGE, ("look", "c1"), ("look", "c2"), ("look", "c3")),
        tool(3, "look", 3, 4, "c1", "Triage"),
        ran(4, "look", 3, None),
        ran(5, "look", 3, None),
        ran(6, "something else", 3, None),
    ]
    rows = rows_of(steps, invocation(), BEGAN).rows
    assert [(row.id, row.depth, row.call_id) for row in rows] == [
        ("s1", 0, None),
        ("s3", 1, "c1"),
        ("s4", 1, "c2"),
        ("s5", 1, "c3"),
        ("s6", 0, None),
    ]


def test_a_row_that_changes_has_another_version() -> None:
    before, after = (row_of(steps, invocation(), "s3") for steps in (TURNS, [settled(s) for s in TURNS]))
    assert before.version != after.version
