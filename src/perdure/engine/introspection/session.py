"""A DataFusion session over one SQLite file, which it only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import datafusion
import pyarrow as pa
import pyarrow.compute as pc

from perdure.engine.introspection.dataset import TableDataset
from perdure.engine.introspection.deployment_tables import (
    SYS_DEPLOYMENT,
    SYS_RULES,
    SYS_SERVICE,
    SYS_VQUEUE_META,
)
from perdure.engine.introspection.invocation_tables import (
    SYS_INVOCATION,
    SYS_INVOCATION_STATE,
    SYS_INVOCATION_STATUS,
)
from perdure.engine.introspection.journal_tables import SYS_JOURNAL, SYS_JOURNAL_EVENTS
from perdure.engine.introspection.object_tables import STATE, SYS_INBOX, SYS_KEYED_SERVICE_STATUS, SYS_PROMISE
from perdure.engine.introspection.services import Services
from perdure.engine.introspection.sql_functions import add_functions
from perdure.engine.introspection.table import BATCH_ROWS, Table

TABLES = (
    STATE,
    SYS_DEPLOYMENT,
    SYS_INBOX,
    SYS_INVOCATION,
    SYS_INVOCATION_STATE,
    SYS_INVOCATION_STATUS,
    SYS_JOURNAL,
    SYS_JOURNAL_EVENTS,
    SYS_KEYED_SERVICE_STATUS,
    SYS_PROMISE,
    SYS_RULES,
    SYS_SERVICE,
    SYS_VQUEUE_META,
)

MEMORY_BYTES_MAX = 512 * 1024 * 1024


class Session:
    """Runs one query at a time, each on one snapshot of the file: WAL lets it read beside the writer."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error when the file cannot be read."""
        # DataFusion reads from threads of its own; SQLite serialises what they ask.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        self._services = Services(self._connection)
        add_functions(self._connection, self._services)
        self._context = _context()
        for table in TABLES:
            self._context.register_table(table.name, TableDataset(table, self._scan))

    def query(self, sql: str) -> Generator[pa.RecordBatch]:
        """The result, batch by batch; an empty batch first, which has the columns.

        Raises:
            Exception: DataFusion's, for what is not a query; SQLite's.
        """
        read_only = (
            datafusion.SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
        )
        self._connection.execute("BEGIN")
        try:
            self._services.refresh()
            frame = self._context.sql_with_options(sql, read_only)
            yield pa.RecordBatch.from_pylist([], schema=frame.schema())
            for batch in frame.execute_stream():
                yield batch.to_pyarrow()
        finally:
            self._connection.execute("ROLLBACK")

    def _scan(
        self, table: Table, columns: Sequence[str], expression: pc.Expression | None
    ) -> Iterator[pa.RecordBatch]:
        return table.scan(self._connection, columns, expression)


def _context() -> datafusion.SessionContext:
    config = (
        datafusion.SessionConfig()
        .with_default_catalog_and_schema("restate", "public")
        .with_information_schema(True)
        .with_target_partitions(1)  # the other cores are the engine's and its handlers'
        .with_batch_size(BATCH_ROWS)
        .set("datafusion.sql_parser.dialect", "postgresql")
        .set("datafusion.optimizer.expand_views_at_output", "true")
    )
    limits = (
        datafusion.RuntimeEnvBuilder().with_disk_manager_disabled().with_greedy_memory_pool(MEMORY_BYTES_MAX)
    )
    return datafusion.SessionContext(config, limits)
