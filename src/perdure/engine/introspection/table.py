"""A table of introspection: Arrow columns, each an SQL expression over SQLite's tables.

A scan reads the columns that a query needs, of the rows that its filters leave, in small batches, and reads
no further than the query does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from perdure.engine.introspection.filters import condition_of

TEXT = pa.string()
BYTES = pa.binary()
BOOL = pa.bool_()
U32 = pa.uint32()
U64 = pa.uint64()
TIME = pa.timestamp("ms", "+00:00")
DURATION = pa.duration("ms")
TEXTS = pa.list_(TEXT)
NUMBERS = pa.list_(U32)

BATCH_ROWS = 2048


class Column(NamedTuple):
    """`sql` gives text, bytes, numbers (0 and 1 for BOOL, milliseconds for times), or JSON for lists."""

    name: str
    type: pa.DataType
    sql: str = "NULL"


@dataclass(frozen=True)
class Table:
    """`source` is what stands behind FROM."""

    name: str
    source: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])

    def scan(
        self, connection: sqlite3.Connection, names: Sequence[str], expression: pc.Expression | None
    ) -> Iterator[pa.RecordBatch]:
        """Columns `names` of the rows that `expression` keeps."""
        condition = condition_of(expression, self.schema, {c.name: c.sql for c in self.columns})
        read = [c for c in self.columns if c.name in names or not condition.exact]
        selected = ", ".join(column.sql for column in read) or "NULL"
        rows = connection.execute(
            f"SELECT {selected} FROM {self.source} WHERE {condition.sql}", condition.parameters
        )
        while found := rows.fetchmany(BATCH_ROWS):
            batch = _batch(read, found)
            if not condition.exact:
                batch = batch.filter(expression)
            yield batch.select(list(names))


def _batch(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    if not columns:  # for a count: rows without columns
        return pa.record_batch({"": pa.nulls(len(rows))}).select([])
    arrays = [
        _array(column.type, values) for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    return pa.record_batch(arrays, names=[column.name for column in columns])


def _array(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    if kind == BOOL:
        values = [None if value is None else bool(value) for value in values]
    elif pa.types.is_list(kind):
        values = [None if value is None else json.loads(value) for value in values]
    return pa.array(values, kind)
