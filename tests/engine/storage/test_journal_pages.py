"""A journal in parts."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from perdure.engine.core.model import Entry
from perdure.engine.storage import journal, journal_pages
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.journal_pages import JournalPage, command_position, page
from perdure.engine.storage.read_only import read_only
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb


def run(number: int) -> Entry:
    return Entry(MessageType.RUN, pb.RunCommand(result_completion_id=number).SerializeToString(), number)


def result(number: int, content: bytes = b"1") -> Entry:
    message = pb.Notification(completion_id=number, value=pb.Value(content=content))
    return Entry(MessageType.RUN_COMPLETION, message.SerializeToString(), 100 + number)


def pages(tmp_path: Path, entries: list[Entry], start: int, limit: int, bytes_max: int = 1024) -> JournalPage:
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: [store.append("a", entry) for entry in entries])  # type: ignore[arg-type, return-value]
        return read_only(tmp_path / FILE_NAME, lambda file: page(file, "a", start, limit, bytes_max))


def test_completions_are_found_wherever_they_stand(tmp_path: Path) -> None:
    cancel = Entry(MessageType.SIGNAL, pb.Notification(signal_id=1).SerializeToString(), 0)
    journal = [run(1), run(2), run(3), result(3), cancel, run(4), result(1), result(4)]
    found = pages(tmp_path, journal, 0, 2)
    assert ([line.index for line in found.lines], found.next, found.length) == ([0, 1], 2, 8)
    assert {number: line.index for number, line in found.completions.items()} == {1: 6}


def test_a_page_from_the_middle_on(tmp_path: Path) -> None:
    found = pages(tmp_path, [run(1), run(2), result(2), result(1), run(3), result(3)], 1, 10)
    assert ([line.index for line in found.lines], found.next) == ([1, 4], None)
    assert {number: line.index for number, line in found.completions.items()} == {2: 2, 3: 5}
    with SqliteStore.open(tmp_path):
        beyond = read_only(tmp_path / FILE_NAME, lambda file: page(file, "a", 99, 10, 1024))
    assert (beyond.lines, beyond.length, beyond.next) == ([], 6, None)


def test_where_a_command_stands(tmp_path: Path) -> None:
    pages(tmp_path, [run(1), result(1), run(2), result(2)], 0, 1)
    with SqliteStore.open(tmp_path):
        found = [
            read_only(tmp_path / FILE_NAME, lambda file, index=index: command_position(file, "a", index))
            for index in (0, 1, 2, None)
        ]
    assert found == [0, 2, None, None]


LARGE = 32 * 1024 * 1024


def peak_of_reading(tmp_path: Path, bytes_max: int) -> tuple[JournalPage, int]:
    """A page with a value of 32 MB, and the most memory that reading it took."""
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: [store.append("a", each) for each in (run(1), result(1, b"x" * LARGE))])  # type: ignore[arg-type, return-value]
    with SqliteStore.open(tmp_path):
        tracemalloc.start()
        try:
            found = read_only(tmp_path / FILE_NAME, lambda file: page(file, "a", 0, 10, bytes_max))
            return found, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("bytes_max", [1024, journal.FIELD_BYTES_MAX])
def test_of_a_value_of_32_mb_no_more_is_read_than_is_shown(tmp_path: Path, bytes_max: int) -> None:
    found, peak = peak_of_reading(tmp_path, bytes_max)
    completion = found.completions[1]
    assert len(completion.message.value.content) == bytes_max
    assert completion.whole_bytes == {"Value.content": LARGE}
    assert peak < 1_000_000


def test_of_a_value_of_32_mb_all_is_there_that_is_asked_for(tmp_path: Path) -> None:
    found, _ = peak_of_reading(tmp_path, 2 * LARGE)
    assert (found.completions[1].message.value.content, found.completions[1].whole_bytes) == (
        b"x" * LARGE,
        {},
    )
    part, peak = peak_of_reading(tmp_path / "part", 1_000_000)
    assert len(part.completions[1].message.value.content) == 1_000_000
    assert part.completions[1].whole_bytes == {"Value.content": LARGE}
    assert peak < 1.2 * LARGE


def test_what_stands_behind_a_long_value_is_told(tmp_path: Path) -> None:
    call = pb.CallCommand(
        service_name="S", handler_name="h", parameter=b"x" * 300_000, key="ada", result_completion_id=7
    )
    (line,) = pages(tmp_path, [Entry(MessageType.CALL, call.SerializeToString(), 0)], 0, 1).lines
    assert (line.message.key, line.message.result_completion_id) == ("ada", 7)
    assert line.whole_bytes == {"CallCommand.parameter": 300_000}


def test_many_long_values_share_what_a_page_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_pages, "PAGE_BYTES_MAX", 10_000)
    journal = [entry for number in range(1, 5) for entry in (run(number), result(number, b"x" * 6_000))]
    found = pages(tmp_path, journal, 0, 10, bytes_max=8_000)
    shown = [len(line.message.value.content) for line in found.completions.values()]
    assert shown[0] == 6_000
    assert 3_000 < shown[1] < 4_000
    assert shown[2:] == [1024, 1024]
    whole = pages(tmp_path / "one", [run(1), result(1, b"x" * 20_000)], 0, 1, bytes_max=50_000)
    assert len(whole.completions[1].message.value.content) == 20_000
