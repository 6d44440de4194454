"""One suite for every store behind `engine.core.transaction.Transaction`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.core.model import (
    AttemptFailure,
    Entry,
    Failure,
    Invocation,
    Problem,
    Status,
    Success,
    Target,
    Timer,
    TimerKind,
    Waiter,
    WaiterKind,
)
from perdure.engine.core.transaction import FAILURES_MAX, STREAM_READ_BYTES
from perdure.engine.storage.deployments import Deployment
from perdure.engine.storage.memory_store import MemoryStore
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.discovery import decode_manifest
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.streams.append import SourceState
from perdure.streams.events import StreamEvent

Store = MemoryStore | SqliteStore

MANIFEST = json.dumps(
    {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": [{"name": "S", "ty": "SERVICE", "handlers": [{"name": "h", "documentation": "Says."}]}],
    }
).encode()
DEPLOYMENT = Deployment("dp_memory", "in-process:test", decode_manifest(MANIFEST), MANIFEST, 1)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(decode_manifest(MANIFEST))
        return
    with SqliteStore.open(tmp_path) as sqlite:
        sqlite.transact(lambda: sqlite.deployments.put(DEPLOYMENT))
        yield sqlite


def an_invocation(name: str = "a", status: Status = Status.RUNNING) -> Invocation:
    return Invocation(name, Target("S", "h"), status, created_at_ms=1, modified_at_ms=2, attempt=1)


def an_entry(number: int = 0) -> Entry:
    return Entry(0x0411, bytes([number]), number)


def timers(store: Store) -> list[Timer]:
    return store.timers() if isinstance(store, MemoryStore) else store.timers.due(2**62, 1000)


# ---- what is written is read, in the same transaction and after it


@pytest.mark.parametrize("status", list(Status))
def test_an_invocation_is_read_as_it_was_put(store: Store, status: Status) -> None:
    a = an_invocation(status=status)

    def work() -> None:
        assert store.invocation("a") is None
        store.put_invocation(a)
        assert store.invocation("a") == a

    store.transact(work)
    assert store.invocation("a") == a


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", list(Status))
def test_putting_again_replaces_all_of_it(store: Store, before: Status, after: Status) -> None:
    first = replace(an_invocation(status=before), problem=Problem(500, "x"), awaiting_on=b"x")
    second = an_invocation(status=after)
    store.transact(lambda: store.put_invocation(first))
    store.transact(lambda: store.put_invocation(second))
    assert store.invocation("a") == second


@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUSPENDED])
def test_journals_keep_their_order_across_transactions(store: Store, status: Status) -> None:
    store.transact(lambda: store.put_invocation(an_invocation(status=status)))
    for number in range(5):
        store.transact(lambda number=number: store.append("a", an_entry(number)))  # type: ignore[misc]
        assert store.journal_length("a") == number + 1

    def several() -> None:
        store.append("b", an_entry(99))
        for number in range(5, 8):
            store.append("a", an_entry(number))
            assert store.journal("a")[-1] == an_entry(number)

    store.transact(several)
    assert store.journal("a") == [an_entry(number) for number in range(8)]
    assert store.journal("b") == [an_entry(99)]
    assert (store.journal("c"), store.journal_length("c")) == ([], 0)


def test_a_long_entry_is_as_any_other(store: Store) -> None:
    value = pb.Value(content=b"x" * 2_000_000)
    payload = pb.Notification(completion_id=1, value=value).SerializeToString()
    long = Entry(MessageType.RUN_COMPLETION, payload, 5)
    store.transact(lambda: [store.append("a", each) for each in (an_entry(0), long, an_entry(2))] and None)
    assert store.journal("a") == [an_entry(0), long, an_entry(2)]
    store.transact(lambda: store.delete_journal("a"))
    store.transact(lambda: store.append("a", an_entry(7)))
    store.transact(lambda: store.append("a", long))
    assert store.journal("a") == [an_entry(7), long]


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 3_000_000])
def test_a_long_result_is_as_any_other(store: Store, size: int) -> None:
    ended = replace(an_invocation(status=Status.COMPLETED), result=Success(b"x" * size))
    store.transact(lambda: store.put_invocation(ended))
    assert store.invocation("a") == ended
    store.transact(lambda: store.delete_invocation("a"))
    short = replace(ended, result=Success(b"x" * 65_536))
    store.transact(lambda: store.put_invocation(short))
    assert store.invocation("a") == short


def test_a_journal_may_begin_before_its_invocation_is_put(store: Store) -> None:
    def work() -> None:
        store.append("a", an_entry(0))
        store.put_invocation(an_invocation())
        store.append("a", an_entry(1))

    store.transact(work)
    store.transact(lambda: store.append("a", an_entry(2)))
    assert store.journal("a") == [an_entry(0), an_entry(1), an_entry(2)]


def test_deleting_takes_everything_of_it_and_nothing_of_others(store: Store) -> None:
    def write() -> None:
        for name in ("a", "b"):
            store.put_invocation(an_invocation(name))
            store.append(name, an_entry())
            store.add_timer(Timer(5, TimerKind.SLEEP, name, 1))
        store.add_waiter(Waiter("a", "b", 1, WaiterKind.CALL))
        store.add_waiter(Waiter("b", "a", 1, WaiterKind.CALL))
        store.add_waiter(Waiter("b", "c", 1, WaiterKind.CALL))

    store.transact(write)
    store.transact(lambda: store.delete_invocation("a"))

    assert (store.invocation("a"), store.journal("a"), store.journal_length("a")) == (None, [], 0)
    assert store.invocation("b") == an_invocation("b")
    assert store.journal("b") == [an_entry()]
    assert timers(store) == [Timer(5, TimerKind.SLEEP, "b", 1)]
    assert list(store.awaited_by("a")) == list(store.awaited_by("b")) == []
    assert list(store.awaited_by("c")) == [Waiter("b", "c", 1, WaiterKind.CALL)]
    store.transact(lambda: store.append("a", an_entry(7)))
    assert store.journal("a") == [an_entry(7)], "a new one with its id begins anew"


# ---- timers and waiters


def test_a_timer_is_removed_once(store: Store) -> None:
    timer = Timer(10, TimerKind.SLEEP, "a", 3)
    others = [timer._replace(at_ms=11), timer._replace(completion_id=4), timer._replace(invocation_id="b")]
    removed: list[bool] = []

    def add() -> None:
        for each in (timer, *others, timer):
            store.add_timer(each)

    store.transact(add)
    for _ in range(2):
        store.transact(lambda: removed.append(store.remove_timer(timer)))
    assert removed == [True, False]
    assert sorted(timers(store)) == sorted(others)
    store.transact(lambda: store.remove_timers("a"))
    assert timers(store) == [timer._replace(invocation_id="b")]


def test_timers_come_in_the_order_in_which_they_fall_due(store: Store) -> None:
    wanted = [Timer(at_ms, TimerKind.SLEEP, name, n) for at_ms in (1, 5) for name in "ab" for n in (2, 10)]

    def add() -> None:
        for timer in reversed(wanted):
            store.add_timer(timer)

    store.transact(add)
    assert timers(store) == wanted


def test_waiters_are_taken_once_in_the_order_of_their_completions(store: Store) -> None:
    wanted = [Waiter("a", waiter, n, WaiterKind.ATTACH) for waiter in ("x", "y") for n in (2, 10)]
    taken: list[list[Waiter]] = []

    def add() -> None:
        for waiter in (*reversed(wanted), wanted[0]):
            store.add_waiter(waiter)
        store.add_waiter(Waiter("b", "x", 1, WaiterKind.CALL))

    store.transact(add)
    assert list(store.awaited_by("x")) == [*wanted[:2], Waiter("b", "x", 1, WaiterKind.CALL)]
    for _ in range(2):
        store.transact(lambda: taken.append(list(store.take_waiters("a"))))
    assert taken == [wanted, []]
    assert list(store.awaited_by("x")) == [Waiter("b", "x", 1, WaiterKind.CALL)]


def test_handlers_of_the_deployment(store: Store) -> None:
    found = store.handler("S", "h")
    assert found is not None
    assert found.documentation == "Says."
    assert store.deployment_of("S") == "dp_memory"
    assert store.handler("S", "nobody") is None
    assert store.handler("Nobody", "h") is None
    assert store.deployment_of("Nobody") is None


# ---- all or nothing


class Broken(Exception):
    pass


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUSPENDED])
def test_after_an_exception_nothing_of_the_transaction_is_left(
    store: Store, status: Status, error: type[BaseException]
) -> None:
    a = an_invocation(status=status)
    timer, waiter = Timer(5, TimerKind.SLEEP, "a", 1), Waiter("b", "a", 1, WaiterKind.CALL)

    def before() -> None:
        store.put_invocation(a)
        store.append("a", an_entry(0))
        store.append("gone", an_entry(0))
        store.add_timer(timer)
        store.add_waiter(waiter)

    store.transact(before)

    def fails() -> None:
        store.put_invocation(replace(a, attempt=2, status=Status.RUNNING))
        store.put_invocation(an_invocation("new"))
        store.append("a", an_entry(1))
        store.append("new", an_entry(1))
        store.remove_timer(timer)
        store.add_timer(timer._replace(at_ms=9))
        list(store.take_waiters("b"))
        store.add_waiter(waiter._replace(completion_id=2))
        store.delete_invocation("gone")
        raise error

    with pytest.raises(error):
        store.transact(fails)

    assert store.invocation("a") == a
    assert store.invocation("new") is None
    assert (store.journal("a"), store.journal_length("a")) == ([an_entry(0)], 1)
    assert (store.journal("new"), store.journal_length("new")) == ([], 0)
    assert store.journal("gone") == [an_entry(0)]
    assert timers(store) == [timer]
    assert list(store.awaited_by("a")) == [waiter]
    store.transact(lambda: store.append("a", an_entry(1)))
    assert store.journal("a") == [an_entry(0), an_entry(1)], "and it goes on where it was"


# ---- what is on disk is what was in memory

texts = st.text(max_size=20) | st.sampled_from(
    ["", "\x00", "é\u0301", "🜁", "\u202e", "'; DROP TABLE journal; --"]
)
whole = st.integers(0, 2**62)
failures = st.builds(
    Failure, st.integers(0, 2**32 - 1), texts, st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
)
invocations = st.builds(
    Invocation,
    id=texts,
    target=st.builds(Target, texts, texts, texts),
    status=st.sampled_from(Status),
    created_at_ms=whole,
    modified_at_ms=whole,
    attempt=whole,
    deployment_id=st.none() | texts,
    idempotency_key=st.none() | texts,
    caller_id=st.none() | texts,
    scheduled_at_ms=st.none() | whole,
    awaiting_on=st.none() | st.binary(max_size=20),
    retry_count=whole,
    failed_at_length=whole,
    next_retry_at_ms=st.none() | whole,
    problem=st.none()
    | st.builds(
        Problem,
        st.integers(0, 2**32 - 1),
        texts,
        texts,
        st.none() | whole,
        st.none() | texts,
        st.none() | whole,
    ),
    result=st.none() | st.builds(Success, st.binary(max_size=20)) | failures,
    completed_at_ms=st.none() | whole,
    exclusive=st.booleans(),
    restarted_from=st.none() | texts,
    seed_id=st.none() | texts,
    first_start_at_ms=st.none() | whole,
    last_start_at_ms=st.none() | whole,
    scope=st.none() | texts,
    limit_key=st.none() | texts,
)


@settings(max_examples=15, deadline=None)
@given(st.lists(invocations, max_size=8, unique_by=lambda invocation: invocation.id), st.binary())
def test_reopening_gives_equal_invocations_and_journals(put: list[Invocation], payload: bytes) -> None:
    with TemporaryDirectory() as directory:
        with SqliteStore.open(Path(directory)) as store:

            def write() -> None:
                for invocation in put:
                    store.put_invocation(invocation)
                    store.append(invocation.id, Entry(0xFFFF, payload, 2**62))

            store.transact(write)
        with SqliteStore.open(Path(directory)) as store:
            assert [store.invocation(invocation.id) for invocation in put] == put
            for invocation in put:
                assert store.journal(invocation.id) == [Entry(0xFFFF, payload, 2**62)]
                store.transact(lambda i=invocation: store.append(i.id, an_entry(1)))  # type: ignore[misc]
                assert store.journal_length(invocation.id) == 2


def test_reopening_keeps_the_order_in_which_deployments_came(tmp_path: Path) -> None:
    """The newest serves. Not the one with the latest time: the wall clock may be set back between two."""

    def deployment(name: str, created_at_ms: int) -> Deployment:
        return replace(DEPLOYMENT, id=name, created_at_ms=created_at_ms)

    with SqliteStore.open(tmp_path) as store:
        for name, created_at_ms in (("dp_z", 5), ("dp_m", 5), ("dp_a", 3), ("dp_z", 5), ("dp_k", 5)):
            new = deployment(name, created_at_ms)
            store.transact(lambda new=new: store.deployments.put(new))  # type: ignore[misc]
        order = [each.id for each in store.deployments.all()]
        assert order == ["dp_m", "dp_a", "dp_z", "dp_k"]
        assert store.deployment_of("S") == "dp_k"
    with SqliteStore.open(tmp_path) as store:
        assert [each.id for each in store.deployments.all()] == order


def test_a_rule_may_not_commit_by_itself(tmp_path: Path) -> None:
    """Another reader of the file sees all of a transaction or nothing of it."""
    with SqliteStore.open(tmp_path) as store:
        reader = sqlite3.connect(tmp_path / "perdure.sqlite")
        count: Callable[[], int] = lambda: reader.execute("SELECT count(*) FROM journal").fetchone()[0]  # noqa: E731

        def work() -> None:
            store.append("a", an_entry(0))
            store.append("a", an_entry(1))
            assert count() == 0

        store.transact(work)
        assert count() == 2
        reader.close()


def test_of_a_deleted_journal_the_invocation_stays_and_a_new_one_begins_at_its_start(store: Store) -> None:
    def work() -> None:
        store.put_invocation(an_invocation("a"))
        store.append("a", an_entry(0))
        store.append("a", an_entry(1))
        store.delete_journal("a")

    store.transact(work)
    assert (store.journal("a"), store.journal_length("a")) == ([], 0)
    assert store.invocation("a") == an_invocation("a")
    store.transact(lambda: store.append("a", an_entry(2)))
    assert store.journal("a") == [an_entry(2)]


def test_the_newest_failures_of_an_invocation_are_kept_as_long_as_it_is(store: Store) -> None:
    failures = [AttemptFailure(Problem(500, f"boom {n}"), n, n) for n in range(FAILURES_MAX + 3)]

    def fail() -> None:
        store.put_invocation(an_invocation("a"))
        for failure in failures:
            store.add_failure("a", failure)
            store.add_failure("b", failure)

    store.transact(fail)
    assert store.failures("a") == failures[3:]
    store.transact(lambda: store.delete_invocation("a"))
    assert store.failures("a") == []
    assert len(store.failures("b")) == FAILURES_MAX


# ---- streams


def an_event(index: int, word: str = "x") -> StreamEvent:
    return StreamEvent(index, "text", f'{{"delta":"{word}"}}', "run", 5)


def test_events_are_read_from_any_index_and_their_source_is_remembered(store: Store) -> None:
    def work() -> None:
        assert store.streams.length("a", "default") == 0
        assert store.streams.source("a", "default", "run") is None
        store.streams.add("a", "default", "run", SourceState((2, 1), 0, 3), [an_event(n) for n in range(3)])
        assert store.streams.length("a", "default") == 3

    store.transact(work)
    assert [e.index for e in store.streams.read("a", "default", 1, 10)] == [1, 2]
    assert store.streams.read("a", "default", 0, 2) == [an_event(0), an_event(1)]
    assert store.streams.source("a", "default", "run") == SourceState((2, 1), 0, 3)
    assert store.streams.length("a", "other") == store.streams.length("b", "default") == 0


def test_a_sources_state_is_replaced(store: Store) -> None:
    def work() -> None:
        store.streams.add("a", "default", "run", SourceState((), 0, 1), [an_event(0)])
        store.streams.add("a", "default", "run", SourceState((), 0, 2), [an_event(1)])

    store.transact(work)
    assert store.streams.source("a", "default", "run") == SourceState((), 0, 2)


def test_large_events_are_read_a_few_at_a_time(store: Store) -> None:
    def work() -> None:
        large = [an_event(n, "x" * STREAM_READ_BYTES) for n in range(3)]
        store.streams.add(
            "a", "default", "run", SourceState((), 0, 4), [an_event(0), *large[1:], an_event(3)]
        )

    store.transact(work)
    assert [e.index for e in store.streams.read("a", "default", 0, 10)] == [0, 1]
    assert [e.index for e in store.streams.read("a", "default", 2, 10)] == [2]
    assert [e.index for e in store.streams.read("a", "default", 3, 10)] == [3]


def test_streams_go_with_their_invocation(store: Store) -> None:
    def work() -> None:
        store.put_invocation(an_invocation())
        store.streams.add("a", "default", "run", SourceState((), 0, 1), [an_event(0)])
        store.streams.add("b", "default", "run", SourceState((), 0, 1), [an_event(0)])
        store.delete_invocation("a")

    store.transact(work)
    assert store.streams.length("a", "default") == 0
    assert store.streams.source("a", "default", "run") is None
    assert store.streams.length("b", "default") == 1
