"""What may be done to an invocation, by its status."""

from __future__ import annotations

import pytest
from journal_script import invocation

from perdure.inspection.records import Invocation
from perdure.ui.invocation_actions import actions_of, restarts_at

RESUMES = ["Resume", "Resume on the newest deployment"]
ENDS = ["Cancel", "Kill"]


@pytest.mark.parametrize(
    ("of", "texts"),
    [
        (invocation("scheduled"), ENDS),
        (invocation("pending"), ENDS),
        (invocation("running"), ["Pause", *ENDS]),
        (invocation("suspended"), [*RESUMES, "Pause", *ENDS]),
        (invocation("backing-off"), [*RESUMES, "Pause", *ENDS]),
        (invocation("paused"), [*RESUMES, *ENDS]),
        (invocation("completed"), ["Restart as new", "Purge", "Purge the journal"]),
        (invocation("completed", kind="workflow"), ["Purge", "Purge the journal"]),
        (invocation("completed", journal_size=0), ["Purge"]),
    ],
    ids=lambda value: value.status if isinstance(value, Invocation) else "",
)
def test_what_the_status_allows(of: Invocation, texts: list[str]) -> None:
    found = actions_of(of)
    assert [each.text for each in found] == texts
    assert all(each.question.endswith((".", "?")) for each in found)


@pytest.mark.parametrize(
    ("of", "index", "kept"),
    [
        (invocation("completed"), 7, ["7", "6"]),
        (invocation("completed"), 0, []),  # the input: that is "restart as new"
        (invocation("running"), 7, []),
        (invocation("completed", kind="workflow"), 7, []),
    ],
)
def test_restarts_from_a_step_keep_it_or_do_it_again(of: Invocation, index: int, kept: list[str]) -> None:
    assert [each.fields["from"] for each in restarts_at(of, index)] == kept
