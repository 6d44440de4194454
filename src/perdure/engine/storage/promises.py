"""Tables `promise` and `promise_waiter`: the durable promises of workflows."""

from __future__ import annotations

import sqlite3

from perdure.engine.core.model import Result
from perdure.engine.storage.results import decode_result, encode_result

_KEY = "service = ? AND key = ?"


class Promises:
    """Reads and writes of both tables. Implements `engine.core.transaction.Promises`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, service: str, key: str, name: str) -> Result | None:
        query = f"SELECT value, failure FROM promise WHERE {_KEY} AND name = ?"
        row = self._connection.execute(query, (service, key, name)).fetchone()
        return decode_result(*row) if row else None

    def complete(self, service: str, key: str, name: str, result: Result) -> None:
        self._connection.execute(
            "INSERT INTO promise VALUES (?, ?, ?, ?, ?)", (service, key, name, *encode_result(result))
        )

    def add_waiter(self, service: str, key: str, name: str, invocation_id: str, completion_id: int) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO promise_waiter VALUES (?, ?, ?, ?, ?)",
            (service, key, name, invocation_id, completion_id),
        )

    def take_waiters(self, service: str, key: str, name: str) -> list[tuple[str, int]]:
        where = f"{_KEY} AND name = ?"
        query = f"SELECT invocation_id, completion_id FROM promise_waiter WHERE {where} ORDER BY rowid"
        found = self._connection.execute(query, (service, key, name)).fetchall()
        self._connection.execute(f"DELETE FROM promise_waiter WHERE {where}", (service, key, name))
        return found

    def delete_all(self, service: str, key: str) -> None:
        for table in ("promise", "promise_waiter"):
            self._connection.execute(f"DELETE FROM {table} WHERE {_KEY}", (service, key))

    def forget_waiter(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM promise_waiter WHERE invocation_id = ?", (invocation_id,))
