"""Table `awakeable`: those of which a step's result tells the id, so that somebody outside can answer.

The protocol journals an awakeable only when it is answered: until then no entry says that it is there. But a
step that hands the id out (in a mail, in the announcement of an approval) mostly returns it too. Such results
are noted here, so that what waits for an answer is found without reading the journals of all that waits. The
table says nothing that the journals do not: it can be made from them at any time. It is for people who look;
the rules do without it.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from perdure.engine.core.model import Entry
from perdure.engine.storage.journal import Journal
from perdure.protocol import ids
from perdure.protocol.excerpts import excerpt
from perdure.protocol.messages import MessageType, decode_message

LOOKED_AT_BYTES = 4096
"""An id is found where it stands so early in a result: to search megabytes would cost every step."""

_MARK = ids.AWAKEABLE_PREFIX.encode()
_HEAD_BYTES = 64  # of a notification: the id that it is about comes first

_CREATE = (
    """
    CREATE TABLE awakeable (
        invocation_id TEXT NOT NULL,
        signal INTEGER NOT NULL,            -- its index
        position INTEGER NOT NULL,          -- of the result, in the journal
        name TEXT NOT NULL,                 -- of the step
        told_at_ms INTEGER NOT NULL,
        closed_at_ms INTEGER,               -- when it was answered, or its invocation ended
        answer_position INTEGER,            -- of the answer, in the journal; NULL: it has none
        PRIMARY KEY (invocation_id, signal, position)
    ) WITHOUT ROWID
    """,
    # Those that wait are few, and found by the name of their step; of the others the last ones are read.
    """
    CREATE INDEX awakeable_open ON awakeable (name, told_at_ms, invocation_id, signal, position)
        WHERE closed_at_ms IS NULL
    """,
    """
    CREATE INDEX awakeable_closed ON awakeable (closed_at_ms, invocation_id, signal, position, name)
        WHERE closed_at_ms IS NOT NULL
    """,
)
_TELLERS = (
    "SELECT DISTINCT invocation_id FROM journal "
    f"WHERE type = {MessageType.RUN_COMPLETION:d} AND instr(substr(payload, 1, {LOOKED_AT_BYTES}), ?) > 0"
)
_RUNS = (
    "SELECT payload FROM journal "
    f"WHERE invocation_id = ? AND position < ? AND type = {MessageType.RUN:d} ORDER BY position DESC"
)
_SIGNALS = (
    "SELECT position, payload, appended_at_ms FROM journal "
    f"WHERE invocation_id = ? AND type = {MessageType.SIGNAL:d}"
)
_RESTARTED = "SELECT 1 FROM invocation WHERE id = ? AND restarted_from IS NOT NULL"
_ADD = "INSERT INTO awakeable VALUES (?, ?, ?, ?, ?, NULL, NULL)"
_ANSWER = (
    "UPDATE awakeable SET closed_at_ms = ?, answer_position = ? "
    "WHERE invocation_id = ? AND signal = ? AND closed_at_ms IS NULL"
)
_CLOSE = "UPDATE awakeable SET closed_at_ms = ? WHERE invocation_id = ? AND closed_at_ms IS NULL"
_CLOSE_ENDED = (
    "UPDATE awakeable SET closed_at_ms = i.completed_at_ms FROM invocation i "
    "WHERE i.id = awakeable.invocation_id AND i.status = 'completed' AND awakeable.closed_at_ms IS NULL"
)


def build(connection: sqlite3.Connection) -> None:
    """Make the table from the journals, and anew if it is there.

    A step of the migrations calls it, on a file as that step finds it: whoever changes the table `journal` in
    a later one keeps what this reads for that step.
    """
    connection.execute("DROP TABLE IF EXISTS awakeable")
    for statement in _CREATE:
        connection.execute(statement)
    table = Awakeables(connection)
    for (invocation_id,) in connection.execute(_TELLERS, (_MARK,)).fetchall():
        journal = Journal(connection).read(invocation_id)
        for position, entry in enumerate(journal):
            table.appended(invocation_id, position, entry)
    connection.execute(_CLOSE_ENDED)


class Awakeables:
    """Writes of the table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def appended(self, invocation_id: str, position: int, entry: Entry) -> None:
        """A journal has this entry now."""
        if entry.type == MessageType.RUN_COMPLETION:
            if entry.payload.find(_MARK, 0, LOOKED_AT_BYTES) >= 0:
                self._tell(invocation_id, position, entry)
        elif entry.type == MessageType.SIGNAL:
            self._answer(invocation_id, position, entry.payload, entry.appended_at_ms)

    def close_all(self, invocation_id: str, now_ms: int) -> None:
        """The invocation has ended: nobody waits for an answer any more."""
        self._connection.execute(_CLOSE, (now_ms, invocation_id))

    def delete(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM awakeable WHERE invocation_id = ?", (invocation_id,))

    def _tell(self, invocation_id: str, position: int, entry: Entry) -> None:
        told = list(ids.awakeables_in(entry.payload[:LOOKED_AT_BYTES]))
        foreign = any(whose != invocation_id for whose, _ in told)
        # A restarted invocation has a copy of another one's results, perhaps of one that is purged. Of the
        # awakeables that they tell of it waits for its own, with the same indices.
        copied = foreign and self._connection.execute(_RESTARTED, (invocation_id,)).fetchone() is not None
        signals = sorted({signal for whose, signal in told if whose == invocation_id or copied})
        if not signals:
            return
        name = self._name_of(invocation_id, position, entry.payload)
        for signal in signals:
            self._connection.execute(_ADD, (invocation_id, signal, position, name, entry.appended_at_ms))
        # Whoever knew the id before it was told may have answered already.
        for answer in self._connection.execute(_SIGNALS, (invocation_id,)).fetchall():
            self._answer(invocation_id, *answer)

    def _answer(self, invocation_id: str, position: int, payload: bytes, at_ms: int) -> None:
        signal = _head(MessageType.SIGNAL, payload).signal_id
        self._connection.execute(_ANSWER, (at_ms, position, invocation_id, signal))

    def _name_of(self, invocation_id: str, position: int, completion: bytes) -> str:
        """Of the step with this result."""
        completion_id = _head(MessageType.RUN_COMPLETION, completion).completion_id
        for (payload,) in self._connection.execute(_RUNS, (invocation_id, position)):
            command = decode_message(MessageType.RUN, payload)
            if command.result_completion_id == completion_id:
                return str(command.name)
        return ""


def _head(kind: MessageType, payload: bytes) -> Any:
    return decode_message(kind, excerpt(kind, payload, _HEAD_BYTES)[0])
