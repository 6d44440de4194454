"""Which trace an invocation belongs to."""

from __future__ import annotations

import pytest

from perdure.telemetry import trace_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_client_that_traces_is_continued() -> None:
    client = f"00-{TRACE}-{SPAN}-01"

    assert str(trace_context.parent_of("inv_1", client)) == client
    for ours in (trace_context.of_invocation("inv_1", client), trace_context.of_attempt("inv_1", client, 1)):
        assert f"{ours.trace_id:032x}" == TRACE
        assert f"{ours.span_id:016x}" != SPAN


def test_what_the_client_does_not_sample_is_sampled_nowhere() -> None:
    assert trace_context.of_invocation("inv_1", f"00-{TRACE}-{SPAN}-00").flags == 0


def test_a_client_that_does_not_trace_begins_one_trace_for_all_attempts_in_all_processes() -> None:
    attempts = [trace_context.of_attempt("inv_1", None, number) for number in (1, 2, 2)]

    assert len({attempt.trace_id for attempt in attempts}) == 1
    assert attempts[0].span_id != attempts[1].span_id == attempts[2].span_id
    assert trace_context.parent_of("inv_1", None).span_id == 0
    assert trace_context.of_attempt("inv_2", None, 1).trace_id != attempts[0].trace_id
    # A handler in another process comes to the same span from what its attempt was told.
    told = str(attempts[0])
    assert trace_context.of_invocation("inv_1", told) == trace_context.of_invocation("inv_1", None)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_a_header_that_is_no_traceparent_is_as_good_as_none(header: str) -> None:
    assert trace_context.parse(header) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert trace_context.parse(f"01-{TRACE}-{SPAN}-03-more") == (int(TRACE, 16), int(SPAN, 16), 1)
