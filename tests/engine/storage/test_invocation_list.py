"""Lists and counts: what an index answers is what looking at every invocation would."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.engine.core.model import Failure, Invocation, Status, Success, Target
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.invocation_list import (
    STATES,
    VALUE_BYTES_MAX,
    Listed,
    Position,
    Wanted,
    counts,
    page,
)
from perdure.engine.storage.invocations import RESULT_BYTES_MAX
from perdure.engine.storage.read_only import read_only
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import RequestError, StoreFailed

WORDS = st.sampled_from(["", "ada", "Ada", "a_b", "a%b", "100%", "!", "ß", "a/b"])


@st.composite
def invocations(draw: st.DrawFn) -> list[Invocation]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        status = draw(st.sampled_from(list(Status)))
        ended = status is Status.COMPLETED
        made.append(
            Invocation(
                id=f"inv_{draw(st.sampled_from('abC'))}{number}",
                target=Target(
                    draw(st.sampled_from(["S", "T"])), draw(st.sampled_from(["h", "g"])), draw(WORDS)
                ),
                status=status,
                created_at_ms=draw(st.integers(1, 5)),
                modified_at_ms=6,
                idempotency_key=draw(st.none() | WORDS),
                result=draw(st.sampled_from([Success(b"1"), Failure(500, "x")])) if ended else None,
            )
        )
    return made


WANTED = st.builds(
    Wanted,
    states=st.none() | st.frozensets(st.sampled_from(STATES)),
    service=st.sampled_from([None, "S", "X"]),
    handler=st.sampled_from([None, "h"]),
    key=st.sampled_from([None, "", "ada"]),
    text=st.none() | WORDS | st.sampled_from(["S/", "s/ada/h", "INV_", "inv_a1", "T/h"]),
    created_from_ms=st.none() | st.integers(1, 5),
    created_before_ms=st.none() | st.integers(1, 5),
)


def state_of(each: Invocation) -> str:
    if each.status is not Status.COMPLETED:
        return each.status.value
    return "failed" if isinstance(each.result, Failure) else "succeeded"


def is_wanted(each: Invocation, wanted: Wanted) -> bool:
    texts = (each.id, str(each.target), each.idempotency_key or "")
    return (
        (wanted.states is None or state_of(each) in wanted.states)
        and wanted.service in (None, each.target.service)
        and wanted.handler in (None, each.target.handler)
        and wanted.key in (None, each.target.key)
        and (not wanted.text or any(lower(wanted.text) in lower(text) for text in texts))
        and (wanted.created_from_ms is None or each.created_at_ms >= wanted.created_from_ms)
        and (wanted.created_before_ms is None or each.created_at_ms < wanted.created_before_ms)
    )


def lower(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


@contextmanager
def stored(made: list[Invocation]) -> Iterator[Path]:
    with TemporaryDirectory() as directory, SqliteStore.open(Path(directory)) as store:
        store.transact(lambda: [store.put_invocation(each) for each in made])  # type: ignore[arg-type, return-value]
        yield Path(directory) / FILE_NAME


@settings(max_examples=60, deadline=None)
@given(made=invocations(), wanted=WANTED, limit=st.integers(1, 5))
def test_pages_are_what_is_wanted_in_order_and_each_once(
    made: list[Invocation], wanted: Wanted, limit: int
) -> None:
    newest_first = sorted(made, key=lambda each: (each.created_at_ms, each.id), reverse=True)
    expected = [each for each in newest_first if is_wanted(each, wanted)]
    found: list[Listed] = []
    with stored(made) as path:
        while True:
            after = None
            if found:
                last = found[-1].invocation
                after = Position(last.created_at_ms, last.id)
            behind = Wanted(**{name: getattr(wanted, name) for name in Wanted.__slots__} | {"after": after})
            part = read_only(path, lambda file: page(file, behind, limit))  # noqa: B023 - called at once
            found += part
            if len(part) < limit:
                break
        counted = read_only(path, lambda file: counts(file, wanted, 3))
    assert [each.invocation for each in found] == expected
    asked = STATES if wanted.states is None else wanted.states
    assert counted == {
        state: min(3, sum(state_of(each) == state for each in expected)) for state in STATES if state in asked
    }


def test_a_status_that_changes_moves_it_in_the_lists(tmp_path: Path) -> None:
    made = Invocation("inv_1", Target("S", "h"), Status.RUNNING, 1, 1)
    with SqliteStore.open(tmp_path) as store:
        for status in (Status.RUNNING, Status.SUSPENDED, Status.COMPLETED):
            changed = Invocation("inv_1", made.target, status, 1, 2, result=Failure(1, "x"))
            store.transact(lambda changed=changed: store.put_invocation(changed))  # type: ignore[misc]
        now = read_only(tmp_path / FILE_NAME, lambda file: counts(file, Wanted(), 10))
    assert {state: number for state, number in now.items() if number} == {"failed": 1}


def test_who_reads_cannot_write_and_sees_one_moment(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path) as store:
        path = tmp_path / FILE_NAME
        with pytest.raises(StoreFailed, match="readonly"):
            read_only(path, lambda file: file.execute("DELETE FROM invocation"))

        def read(file: object) -> tuple[int, int]:
            before = page(file, Wanted(), 10)  # type: ignore[arg-type]
            added = Invocation("inv_1", Target("S", "h"), Status.RUNNING, 1, 1)
            store.transact(lambda: store.put_invocation(added))
            return len(before), len(page(file, Wanted(), 10))  # type: ignore[arg-type]

        assert read_only(path, read) == (0, 0)
        assert len(read_only(path, lambda file: page(file, Wanted(), 10))) == 1


def test_a_read_that_takes_too_long_is_ended_and_says_what_to_do(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with SqliteStore.open(tmp_path):
        with pytest.raises(RequestError, match="ask for less") as refused:
            read_only(tmp_path / FILE_NAME, lambda file: file.execute(endless).fetchall(), time_limit_s=0.05)
        assert refused.value.status == 400
        with pytest.raises(StoreFailed, match="no such table"):
            read_only(tmp_path / FILE_NAME, lambda file: file.execute("SELECT * FROM nowhere"))


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(states=frozenset({"failed", "running"})),
        Wanted(service="S", key="ada", handler="h"),
        Wanted(text="ada"),
        Wanted(text="S/ada", states=frozenset({"succeeded"})),
        Wanted(created_from_ms=1, created_before_ms=9, after=Position(5, "inv_1")),
    ],
)
def test_no_filter_reads_a_row_that_is_not_shown_or_sorts_what_it_found(
    tmp_path: Path, wanted: Wanted
) -> None:
    asked: list[str] = []

    def plans(file: sqlite3.Connection) -> list[str]:
        file.set_trace_callback(asked.append)
        page(file, wanted, 10)
        counts(file, wanted, 10)
        file.set_trace_callback(None)
        return [str(row[3]) for sql in asked for row in file.execute(f"EXPLAIN QUERY PLAN {sql}")]

    with SqliteStore.open(tmp_path):
        found = read_only(tmp_path / FILE_NAME, plans)
    on_the_table = [plan for plan in found if " invocation USING" in plan]
    assert on_the_table
    assert "SEARCH i USING PRIMARY KEY (id=?)" in found
    assert all("COVERING INDEX invocation_by_" in plan for plan in on_the_table), found
    assert not [plan for plan in found if "TEMP B-TREE" in plan]


def test_of_a_long_result_a_list_reads_the_beginning(tmp_path: Path) -> None:
    ended = Invocation("a", Target("S", "h"), Status.COMPLETED, 1, 1, result=Success(b"x" * 3_000_000))

    def in_the_row(file: sqlite3.Connection) -> int:
        (size,) = file.execute("SELECT length(result_value) FROM invocation").fetchone()
        return int(size)

    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.put_invocation(ended))
        ((listed, *_),) = read_only(tmp_path / FILE_NAME, lambda file: page(file, Wanted(), 10))
        assert listed.result == Success(b"x" * VALUE_BYTES_MAX)
        assert read_only(tmp_path / FILE_NAME, in_the_row) == RESULT_BYTES_MAX
