"""When does an await point let user code go on? One line of the table a case."""

from __future__ import annotations

import pytest
from handler_frames import future
from hypothesis import given
from hypothesis import strategies as st

from perdure.engine.core.await_point import NotificationId, is_unblocked, outcomes
from perdure.engine.core.model import Entry
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

FIRST, ALL = pb.FIRST_COMPLETED, pb.ALL_COMPLETED
ANY_OK, ALL_OK = pb.FIRST_SUCCEEDED_OR_ALL_FAILED, pb.ALL_SUCCEEDED_OR_FIRST_FAILED
CODE = pb.UNKNOWN


def journal(text: str) -> dict[NotificationId, bool]:
    """'1 !2 s17' is completion 1 succeeded, then 2 failed, then signal 17 came; 'name' is a named signal."""
    known: dict[NotificationId, bool] = {}
    for word in text.split():
        success, name = not word.startswith("!"), word.removeprefix("!")
        if name.isdigit():
            known["completion_id", int(name)] = success
        elif name[0] == "s" and name[1:].isdigit():
            known["signal_id", int(name[1:])] = success
        else:
            known["signal_name", name] = success
    return known


FLAT = [
    # combinator, pending with, unblocked with
    (FIRST, ["", "3"], ["1", "2", "!1", "1 2"]),
    (CODE, ["", "3"], ["1", "2", "!1"]),
    (ALL, ["", "1", "!2", "1 3"], ["1 2", "!1 !2", "2 !1"]),
    (ANY_OK, ["", "!1", "!2"], ["1", "2", "!1 2", "!1 !2"]),
    (ALL_OK, ["", "1", "2"], ["!1", "!2", "1 !2", "1 2"]),
]


@pytest.mark.parametrize(("combinator", "pending", "unblocked"), FLAT)
def test_two_leaves(combinator: pb.Combinator, pending: list[str], unblocked: list[str]) -> None:
    point = future(1, 2, of=combinator)
    assert [text for text in pending if is_unblocked(point, journal(text))] == []
    assert [text for text in unblocked if not is_unblocked(point, journal(text))] == []


def test_leaves_of_every_kind() -> None:
    point = future(1, signals=(17,), named=("go",), of=ALL)
    for pending in ("1 s17", "s17 go", "1 go", "1 s1 go", "1 s17 gone", "17 1 go"):
        assert not is_unblocked(point, journal(pending)), pending
    assert is_unblocked(point, journal("go s17 1"))


race = future(2, 3, of=FIRST)
NESTED = [
    # a race inside Promise.all: its outcome is that of whoever came first
    (future(1, nested=(race,), of=ALL_OK), ["2", "2 !3", "3 !2"], ["!2", "!3", "!3 2", "!2 3", "1 2", "!1"]),
    # Promise.any of two all-settled groups: a group cannot fail
    (
        future(nested=(future(1, 2, of=ALL), future(3, 4, of=ALL)), of=ANY_OK),
        ["1", "1 3", "!1 !3"],
        ["1 2", "!1 !2", "3 !4"],
    ),
    # all succeed, or a timer: the shape of a timeout
    (future(9, nested=(future(1, 2, of=ALL_OK),), of=FIRST), ["1"], ["9", "1 2", "!2"]),
    # a race whose runner-up decides nothing
    (
        future(1, nested=(future(4, nested=(future(2, 3, of=ALL),), of=FIRST),), of=ALL_OK),
        ["4 2", "2 3 !4", "2 3"],
        ["!4", "!4 2 3", "2 !4 3", "4 1"],
    ),
]


@pytest.mark.parametrize(("point", "pending", "unblocked"), NESTED)
def test_nested(point: pb.Future, pending: list[str], unblocked: list[str]) -> None:
    assert [text for text in pending if is_unblocked(point, journal(text))] == []
    assert [text for text in unblocked if not is_unblocked(point, journal(text))] == []


def test_code_between_futures_may_run_when_one_of_its_own_is_there_wherever_it_stands() -> None:
    mapped = future(2, 3, of=CODE)
    point = future(1, nested=(future(4, nested=(mapped,), of=ALL),), of=ALL)
    assert not is_unblocked(point, journal("1"))
    assert not is_unblocked(point, journal("4"))
    assert is_unblocked(point, journal("2"))
    assert is_unblocked(point, journal("!3"))


trees = st.recursive(
    st.builds(
        lambda leaves, of: future(*leaves, of=of),
        st.lists(st.integers(1, 6), min_size=1),
        st.sampled_from(pb.Combinator.values()),
    ),
    lambda inner: st.builds(
        lambda leaves, nested, of: future(*leaves, nested=tuple(nested), of=of),
        st.lists(st.integers(1, 6), max_size=3),
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(pb.Combinator.values()),
    ),
    max_leaves=6,
)


@given(trees, st.permutations(range(1, 7)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_what_is_unblocked_stays_so_and_everything_unblocks_all(
    point: pb.Future, order: list[int], successes: list[bool]
) -> None:
    """Each notification is looked at when it comes, or several at once after a suspension: no difference."""
    known: dict[NotificationId, bool] = {}
    before = is_unblocked(point, known)
    assert not before
    for completion_id, success in zip(order, successes, strict=True):
        known["completion_id", completion_id] = success
        after = is_unblocked(point, known)
        assert after or not before
        before = after
    assert before


def test_outcomes_are_read_from_notifications_in_their_order() -> None:
    entries = [
        Entry(MessageType.RUN, pb.RunCommand(result_completion_id=2).SerializeToString(), 0),
        Entry(
            MessageType.SLEEP_COMPLETION,
            pb.Notification(completion_id=2, void=pb.Void()).SerializeToString(),
            0,
        ),
        Entry(
            MessageType.RUN_COMPLETION,
            pb.Notification(completion_id=1, failure=pb.Failure(code=500)).SerializeToString(),
            0,
        ),
        Entry(MessageType.SIGNAL, pb.Notification(signal_id=17, value=pb.Value()).SerializeToString(), 0),
        Entry(MessageType.SIGNAL, pb.Notification(signal_name="go", void=pb.Void()).SerializeToString(), 0),
    ]
    assert list(outcomes(entries).items()) == [
        (("completion_id", 2), True),
        (("completion_id", 1), False),
        (("signal_id", 17), True),
        (("signal_name", "go"), True),
    ]
