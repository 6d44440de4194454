"""A query reads what it needs, and what it reads is what SQL says: filters that SQLite applies keep their
meaning."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import datafusion
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from perdure.engine.introspection.dataset import TableDataset
from perdure.engine.introspection.filters import condition_of
from perdure.engine.introspection.table import (
    BOOL,
    BYTES,
    DURATION,
    TEXT,
    TEXTS,
    TIME,
    U32,
    U64,
    Column,
    Table,
)

# ---- what is read


def test_plans_search_and_do_not_scan(query, session) -> None:
    statements: list[str] = []
    session._connection.set_trace_callback(statements.append)
    for sql in (
        "SELECT * FROM sys_invocation WHERE id = '{greet}'",
        "SELECT id FROM sys_invocation WHERE id IN ('{greet}', '{hold}', '{run}', '{wait}', 'inv_x')",
        "SELECT ss.id, sis.in_flight FROM sys_invocation_status ss LEFT JOIN sys_invocation_state sis "
        "ON sis.id = ss.id WHERE ss.id = '{hold}'",
        "SELECT entry_json, invoked_id FROM sys_journal WHERE id = '{greet}' ORDER BY index",
        "SELECT * FROM sys_journal_events WHERE id = '{stumble}'",
        "SELECT key, value FROM state WHERE service_name = 'Counter' AND service_key = 'all'",
        "SELECT * FROM sys_promise WHERE service_name = 'Signup' AND service_key = 'me'",
        "SELECT * FROM sys_keyed_service_status WHERE service_name = 'Counter' AND service_key = 'busy'",
        "SELECT id FROM sys_inbox WHERE service_name = 'Counter'",
    ):
        assert query(sql), sql
    session._connection.set_trace_callback(None)
    reads = [s for s in statements if s.startswith("SELECT") and "set_options" not in s]
    assert len(reads) == 10
    for statement in reads:
        plan = [row[3] for row in session._connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN") and step != "SCAN p"], (statement, plan)


def test_only_the_columns_of_a_query_are_computed(query, session) -> None:
    statements: list[str] = []
    session._connection.set_trace_callback(statements.append)
    query("SELECT COUNT(*) FROM sys_journal")
    query("SELECT index FROM sys_journal")
    session._connection.set_trace_callback(None)
    reads = [statement for statement in statements if "FROM journal" in statement]
    assert reads == ["SELECT NULL FROM journal j WHERE 1", "SELECT j.position FROM journal j WHERE 1"]


# ---- what it means

TABLE = Table(
    "t",
    "t",
    (
        Column("word", TEXT, "t.word"),
        Column("n", U64, "t.n"),
        Column("small", U32, "t.small"),
        Column("flag", BOOL, "t.flag"),
        Column("at", TIME, "t.at"),
        Column("data", BYTES, "t.data"),
        Column("took", DURATION, "t.took"),
        Column("words", TEXTS, "t.words"),
    ),
)
ROWS = [
    (word, n, n, flag, at, data, n, '["a"]')
    for word in (None, "", "a", "b", "Ab", "ü")
    for n in (None, 0, 1, 7)
    for flag, at, data in ((None, None, None), (0, 0, b""), (1, 1_800_000_000_139, b"\xab"))
]

comparison = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
atom = st.one_of(
    st.builds("word {} '{}'".format, comparison, st.sampled_from(["", "a", "b", "Ab", "zz", "it''s"])),
    st.builds("{} {} {}".format, st.sampled_from(["n", "small"]), comparison, st.integers(0, 8)),
    st.builds(
        "at {} '{}'".format,
        comparison,
        st.sampled_from(["1970-01-01T00:00:00Z", "2027-01-15T08:00:00.139Z"]),
    ),
    st.builds("data {} X'{}'".format, comparison, st.sampled_from(["", "ab", "ff"])),
    st.builds(
        "word {} ({})".format,
        st.sampled_from(["IN", "NOT IN"]),
        st.lists(st.sampled_from(["'a'", "'b'", "'c'", "'Ab'", "''"]), min_size=1, max_size=6).map(", ".join),
    ),
    st.builds(
        "{} {}".format, st.sampled_from(["word", "n", "flag"]), st.sampled_from(["IS NULL", "IS NOT NULL"])
    ),
    st.sampled_from(["flag", "NOT flag", "flag IS TRUE", "flag IS NOT TRUE", "lower(word) = 'ab'"]),
    st.sampled_from(["n BETWEEN 1 AND 7", "n + 1 > 2", "words IS NULL", "took IS NOT NULL"]),
    st.sampled_from(["word LIKE 'a%'", "small IN (0, 1, 7, 8)", "small NOT IN (0, 1, 8, 9)"]),
)
where = st.recursive(
    atom,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
    ),
    max_leaves=5,
)


def contexts() -> tuple[datafusion.SessionContext, datafusion.SessionContext]:
    """The table as it is pushed down to SQLite, and the same rows in DataFusion's memory."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("CREATE TABLE t (word, n, small, flag, at, data, took, words)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROWS)

    def scan(table: Table, columns: Sequence[str], expression: pc.Expression | None):
        return table.scan(connection, columns, expression)

    pushed, plain = datafusion.SessionContext(), datafusion.SessionContext()
    pushed.register_table("t", TableDataset(TABLE, scan))
    batches = list(TABLE.scan(connection, TABLE.schema.names, None))
    plain.register_record_batches("t", [batches])
    return pushed, plain


PUSHED, PLAIN = contexts()


@settings(max_examples=150, deadline=None)
@given(where)
def test_a_filter_keeps_the_same_rows_wherever_it_is_applied(condition: str) -> None:
    sql = f"SELECT word, n, flag, at FROM t WHERE {condition} ORDER BY word, n, flag, at"
    try:
        pushed = PUSHED.sql(sql).to_pydict()
    except Exception as error:
        # A contradiction that the optimiser half sees becomes `False & expression` in DataFusion's own
        # Python package, which Python cannot evaluate. The query fails, and says so.
        if "unsupported operand type(s) for &: 'pyarrow.lib.BooleanScalar'" not in str(error):
            raise
        reject()
    assert pushed == PLAIN.sql(sql).to_pydict()


SQL_OF = {column.name: column.sql for column in TABLE.columns}


@pytest.mark.parametrize(
    ("expression", "sql", "parameters", "exact"),
    [
        (pc.field("word") == "it's", "((t.word) = ?)", ("it's",), True),
        (pc.field("word").isin(["a", "b"]), "(t.word) IN (?, ?)", ("a", "b"), True),
        (pc.field("at") > pa.scalar(5, TIME), "((t.at) > ?)", (5,), True),
        (pc.field("n") <= pa.scalar(2048, pa.uint64()), "((t.n) <= ?)", (2048,), True),
        (
            (pc.field("word") == "a") & (pc.field("n") == pa.scalar(2**63, pa.uint64())),
            "(((t.word) = ?)) AND (1)",
            ("a",),
            False,
        ),
        ((pc.field("word") == "a") | (pc.field("n") == pa.scalar(2**63, pa.uint64())), "1", (), False),
        (pc.utf8_length(pc.field("word")) == 1, "1", (), False),
    ],
)
def test_filters_as_sql(expression, sql, parameters, exact) -> None:
    condition = condition_of(expression, TABLE.schema, SQL_OF)
    assert (condition.sql, condition.parameters, condition.exact) == (sql, parameters, exact)
