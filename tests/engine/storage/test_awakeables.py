"""What waits for an answer is found by what a step's result tells of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.core.model import Entry, Invocation, Status, Success, Target
from perdure.engine.storage import awakeable_list, awakeables
from perdure.engine.storage.awakeable_list import (
    FIRST_CLOSED,
    FIRST_OPEN,
    Place,
    Told,
    closed_ones,
    of,
    open_ones,
)
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.read_only import read_only
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.ids import encode_awakeable_id, encode_invocation_id
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

ADA, GRACE, MARY, JOAN = (encode_invocation_id(bytes([number]) * 24) for number in (1, 2, 3, 4))
MAIL = "send the mail"


def an_invocation(name: str = ADA) -> Invocation:
    return Invocation(name, Target("Signup", "run"), Status.RUNNING, 1, 1)


def run(number: int, name: str = MAIL) -> Entry:
    command = pb.RunCommand(result_completion_id=number, name=name)
    return Entry(MessageType.RUN, command.SerializeToString(), number)


def result(number: int, content: bytes) -> Entry:
    message = pb.Notification(completion_id=number, value=pb.Value(content=content))
    return Entry(MessageType.RUN_COMPLETION, message.SerializeToString(), 10 + number)


def telling(number: int, signal: int, whose: str = ADA, before: bytes = b"") -> Entry:
    return result(number, before + b'{"id": "' + encode_awakeable_id(whose, signal).encode() + b'"}')


def answer(signal: int, content: bytes = b'"yes"') -> Entry:
    message = pb.Notification(signal_id=signal, value=pb.Value(content=content))
    return Entry(MessageType.SIGNAL, message.SerializeToString(), 100 + signal)


class Book:
    """A store, written to a transaction at a time, and what it lists."""

    def __init__(self, store: SqliteStore, path: Path) -> None:
        self.store, self._path = store, path

    def append(self, *entries: Entry, to: str = ADA) -> None:
        self.store.transact(lambda: [self.store.append(to, entry) for entry in entries] and None)

    def end(self, invocation: Invocation, at_ms: int = 200) -> None:
        ended = replace(invocation, status=Status.COMPLETED, result=Success(b""), completed_at_ms=at_ms)
        self.store.transact(lambda: self.store.put_invocation(replace(ended, modified_at_ms=at_ms)))

    def open(self, name: str = "", limit: int = 10, after: Told | None = None) -> list[Told]:
        place = after.place if after else FIRST_OPEN
        return self._read(lambda file: open_ones(file, name, place, limit, 1024))

    def closed(self, name: str = "", limit: int = 10, after: Told | None = None) -> list[Told]:
        place = after.place if after else FIRST_CLOSED
        return self._read(lambda file: closed_ones(file, name, place, limit, 1024))

    def told_of(self, signal: int) -> list[Told]:
        return self._read(lambda file: of(file, ADA, signal, 1024))

    def _read(self, read: Callable[[sqlite3.Connection], list[Told]]) -> list[Told]:
        return read_only(self._path, read)


@pytest.fixture
def book(tmp_path: Path):
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: [store.put_invocation(an_invocation(name)) for name in (ADA, GRACE)] and None)
        yield Book(store, tmp_path / FILE_NAME)


def test_what_a_step_told_of_is_listed_until_it_is_answered(book: Book) -> None:
    book.append(run(1), telling(1, 17))
    (waiting,) = book.open()
    assert (waiting.place.invocation_id, waiting.place.signal, waiting.name) == (ADA, 17, MAIL)
    assert (str(waiting.target), waiting.told.appended_at_ms, waiting.answer) == ("Signup/run", 11, None)
    assert encode_awakeable_id(ADA, 17).encode() in waiting.told.message.value.content
    assert book.closed() == []

    book.append(answer(17))
    assert book.open() == []
    (past,) = book.closed()
    assert past.answer is not None
    assert (past.answer.message.value.content, past.closed_at_ms) == (b'"yes"', 117)
    assert book.told_of(17) == [past]
    assert book.told_of(18) == []


def test_an_answer_may_come_before_it_was_told(book: Book) -> None:
    book.append(run(1), answer(17), telling(1, 17))
    assert book.open() == []
    assert [each.closed_at_ms for each in book.closed()] == [117]


def test_the_first_answer_counts(book: Book) -> None:
    book.append(run(1), telling(1, 17), answer(17, b"1"), answer(17, b"2"))
    (past,) = book.closed()
    assert past.answer is not None
    assert past.answer.message.value.content == b"1"


def test_it_waits_no_longer_when_its_invocation_has_ended(book: Book) -> None:
    book.append(run(1), telling(1, 17))
    book.end(an_invocation())
    assert book.open() == []
    assert [(each.closed_at_ms, each.answer) for each in book.closed()] == [(200, None)]


def test_with_its_journal_it_is_forgotten(book: Book) -> None:
    book.append(run(1), telling(1, 17))
    book.store.transact(lambda: book.store.delete_journal(ADA))
    assert book.open() == book.closed() == []
    book.append(run(1), telling(1, 17))
    book.store.transact(lambda: book.store.delete_invocation(ADA))
    assert book.open() == book.closed() == []


def test_only_its_own_awakeables_count(book: Book) -> None:
    """A step may tell of another invocation's, which waits for them."""
    book.append(run(1), telling(1, 17), to=GRACE)
    book.append(run(1), result(1, b"sign_1 and sign_1AAAA, " + b"sign_1" + b"A" * 38))
    book.append(run(2), telling(2, 17, before=b"x" * awakeables.LOOKED_AT_BYTES))
    assert book.open() == []


def test_of_what_it_was_restarted_from_they_stand_for_its_own(book: Book) -> None:
    """It has the results of the one before it, which tell of that one's, and waits at the same indices."""
    restarted = replace(an_invocation(GRACE), restarted_from=ADA)
    again = replace(an_invocation(MARY), restarted_from=GRACE)
    book.store.transact(lambda: [book.store.put_invocation(each) for each in (restarted, again)] and None)
    for name in (GRACE, MARY):
        book.append(run(1), telling(1, 17), to=name)
    assert [each.place.invocation_id for each in book.open()] == [GRACE, MARY]
    book.store.transact(lambda: book.store.delete_invocation(GRACE))
    again = replace(an_invocation(JOAN), restarted_from=MARY)
    book.store.transact(lambda: book.store.put_invocation(again))
    book.append(run(1), telling(1, 17), to=JOAN)
    assert [each.place.invocation_id for each in book.open()] == [MARY, JOAN], "though one between is purged"
    book.append(answer(17), to=MARY)
    assert [each.place.invocation_id for each in book.open()] == [JOAN]


def test_one_result_may_tell_of_several_and_several_of_one(book: Book) -> None:
    both = f"{encode_awakeable_id(ADA, 18)},{encode_awakeable_id(ADA, 17)}".encode()
    book.append(run(1, "ask both"), run(2, "remind"), telling(2, 17), result(1, both))
    assert [(each.name, each.place.signal) for each in book.open()] == [
        ("ask both", 17),
        ("ask both", 18),
        ("remind", 17),
    ]
    book.append(answer(17))
    assert [each.place.signal for each in book.open()] == [18]


def test_they_are_found_by_the_beginning_of_the_steps_name_and_a_page_at_a_time(book: Book) -> None:
    for number in range(1, 6):
        name = "approval pay" if number % 2 else "approvals"
        book.append(run(number, name), telling(number, 16 + number))
    assert [each.place.signal for each in book.open("approval ")] == [17, 19, 21]
    assert book.open("z") == []
    first = book.open(limit=3)
    rest = book.open(limit=3, after=first[-1])
    assert [each.place.signal for each in (*first, *rest)] == [17, 18, 19, 20, 21]

    for signal in range(17, 22):
        book.append(answer(signal))
    assert [each.place.signal for each in book.closed("approval ")] == [21, 19, 17]
    first = book.closed(limit=3)
    rest = book.closed(limit=3, after=first[-1])
    assert [each.place.signal for each in (*first, *rest)] == [21, 20, 19, 18, 17]


@pytest.mark.parametrize(
    ("query", "first", "wanted"),
    [
        (awakeable_list._OPEN, FIRST_OPEN, "USING INDEX awakeable_open (name>? AND name<?)"),
        (awakeable_list._CLOSED, FIRST_CLOSED, "USING INDEX awakeable_closed ("),
    ],
)
def test_an_index_finds_them(book: Book, query: str, first: Place, wanted: str) -> None:
    explained = book.store._connection.execute(f"EXPLAIN QUERY PLAN {query}", ("a", "a", *first, 5))
    plan = "\n".join(str(row[-1]) for row in explained)
    assert wanted in plan
    assert "SEARCH i USING PRIMARY KEY" in plan


def rows(store: SqliteStore) -> list[tuple[object, ...]]:
    return store._connection.execute("SELECT * FROM awakeable").fetchall()


def test_a_file_of_before_gets_the_table(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.put_invocation(an_invocation()))
        book = Book(store, tmp_path / FILE_NAME)
        book.append(run(1), telling(1, 17), run(2), telling(2, 18), answer(17))
        before = rows(store)
        (version,) = store._connection.execute("PRAGMA user_version").fetchone()
    raw = sqlite3.connect(tmp_path / FILE_NAME)
    raw.executescript(f"DROP TABLE awakeable; PRAGMA user_version = {version - 1}")
    raw.close()
    with SqliteStore.open(tmp_path) as store:
        assert rows(store) == before
        assert len(before) == 2


ENTRIES = st.one_of(
    st.builds(telling, st.integers(1, 3), st.integers(17, 19), st.sampled_from([ADA, GRACE])),
    st.builds(answer, st.integers(17, 19)),
    st.builds(run, st.integers(1, 3), st.sampled_from(["a", "b"])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ADA, GRACE]), ENTRIES), max_size=12), st.booleans())
def test_the_table_is_what_the_journals_say(
    tmp_path_factory: pytest.TempPathFactory, appended: list[tuple[str, Entry]], has_ended: bool
) -> None:
    with SqliteStore.open(tmp_path_factory.mktemp("store")) as store:
        store.transact(lambda: [store.put_invocation(an_invocation(name)) for name in (ADA, GRACE)] and None)
        book = Book(store, Path())
        for name, entry in appended:
            book.append(entry, to=name)
        if has_ended:
            book.end(an_invocation())
        kept = rows(store)
        store.transact(lambda: awakeables.build(store._connection))
        assert rows(store) == kept
