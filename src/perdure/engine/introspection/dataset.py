"""A table as DataFusion sees it: a pyarrow Dataset of one fragment.

DataFusion's Python package asks any pyarrow Dataset for the columns and the filter that a plan needs, and
pulls batches as it goes. It knows of a Dataset what is here, so none of pyarrow's own reading is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from perdure.engine.introspection.table import Table

Scan = Callable[[Table, Sequence[str], pc.Expression | None], Iterator[pa.RecordBatch]]


class Scanner:
    """One read of a table."""

    def __init__(self, table: Table, scan: Scan, columns: Sequence[str], expression: Any) -> None:
        self.projected_schema = pa.schema([table.schema.field(name) for name in columns])
        self._table, self._scan, self._columns, self._expression = table, scan, columns, expression

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        return self._scan(self._table, self._columns, self._expression)


class TableDataset(pyarrow.dataset.Dataset):  # type: ignore[misc]
    """`scan` reads the table, in whatever snapshot the session has open."""

    def __init__(self, table: Table, scan: Scan) -> None:
        self._table, self._scan = table, scan

    @property
    def schema(self) -> pa.Schema:
        return self._table.schema

    def scanner(self, *, columns: Sequence[str], filter: Any = None, **options: Any) -> Scanner:  # noqa: A002
        if isinstance(filter, pa.Scalar):  # WHERE FALSE comes like this
            filter = pc.scalar(filter)  # noqa: A001
        return Scanner(self._table, self._scan, columns, filter)

    def get_fragments(self, filter: Any = None) -> list[Fragment]:  # noqa: A002
        return [Fragment(self)]


class Fragment:
    """The whole of a table."""

    def __init__(self, dataset: TableDataset) -> None:
        self._dataset = dataset

    def scanner(self, schema: pa.Schema, **options: Any) -> Scanner:
        return self._dataset.scanner(**options)
