"""`POST /query` on a running engine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pyarrow as pa
import pytest
import restate

from perdure.engine.introspection.processes import QueryProcesses
from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi

pytestmark = pytest.mark.anyio

service = restate.Service("S")

ONE = b'{"rows":[{"one":1}],"columns":["one"]}'
ENDLESS = "SELECT COUNT(*) FROM generate_series(1, 10000000) a CROSS JOIN generate_series(1, 10000000) b"


@service.handler()
async def shout(ctx: restate.Context, word: str) -> str:
    return word.upper()


async def ask(client: httpx2.AsyncClient, sql: str, accept: str = "application/json") -> httpx2.Response:
    return await client.post("/query", json={"query": sql}, headers={"accept": accept})


async def test_rows_as_json_and_as_arrow(start_engine) -> None:
    async with start_engine(service) as engine:
        await engine.call("S/shout", "a")
        sql = "SELECT COUNT(1) AS n, MIN(created_at) AS at, X'Ab' AS b FROM sys_invocation"
        as_json = await ask(engine.admin, sql)
        as_arrow = await ask(engine.admin, sql, accept="*/*")
        versioned = await engine.admin.post("/v4/query", json={"query": sql})

    assert as_json.headers["content-type"] == "application/json"
    (row,) = as_json.json()["rows"]
    assert (row["n"], row["b"]) == (1, "ab")
    assert as_arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = pa.ipc.open_stream(as_arrow.content).read_all()
    assert table.schema.types[0] == pa.int64(), "the restate CLI reads counts so"
    assert table.schema.types[1] == pa.timestamp("ms", "+00:00")
    assert table.to_pydict()["n"] == [1]
    assert versioned.content == as_arrow.content


async def test_no_rows_have_columns_all_the_same(start_engine) -> None:
    async with start_engine(service) as engine:
        as_json = await ask(engine.admin, "SELECT id FROM sys_invocation")
        as_arrow = await ask(engine.admin, "SELECT id FROM sys_invocation", accept="")
    assert as_json.json() == {"rows": [], "columns": ["id"]}
    assert pa.ipc.open_stream(as_arrow.content).read_all().schema.names == ["id"]


async def test_a_query_sees_what_was_committed_before_it(start_engine) -> None:
    async with start_engine(service) as engine:
        for count in range(1, 4):
            await engine.call("S/shout", "a")
            answer = await ask(engine.admin, "SELECT COUNT(1) AS n FROM sys_invocation")
            assert answer.json()["rows"] == [{"n": count}]


REFUSED = (
    ("CREATE TABLE x (a INT)", "DDL not supported"),
    ("DROP TABLE sys_invocation", "DDL not supported"),
    ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "DDL not supported"),
    ("INSERT INTO sys_rules (pattern) VALUES ('a')", "DML not supported"),
    ("DELETE FROM sys_invocation", "DML not supported"),
    ("COPY sys_invocation TO '/tmp/x.csv'", "DML not supported"),
    ("SET datafusion.execution.batch_size = 1", "Statement not supported"),
    ("SELECT * FROM '/etc/passwd'", "not found"),
    ("SELECT nope FROM sys_invocation", "nope"),
    ("SELEC 1", "SQL error"),
    ("SELECT 1; SELECT 2", "single SQL statement"),
    ("", "No SQL statements"),
    ("SELECT 1 / 0", "Divide by zero"),
    ("SELECT * FROM generate_series(1, 300000)", "more than 200000 rows"),
    ("SELECT repeat('x', 1000000) FROM generate_series(1, 100)", "64 MiB"),
)


async def test_what_is_no_query_is_refused_and_the_next_one_answered(start_engine) -> None:
    async with start_engine(service) as engine:
        for sql, says in REFUSED:
            refused = await ask(engine.admin, sql)
            assert refused.status_code == 400, sql
            assert says in refused.json()["message"]
            answered = await ask(engine.admin, "SELECT 1 AS one")
            assert answered.json() == {"rows": [{"one": 1}], "columns": ["one"]}, sql


@pytest.mark.parametrize("body", [b"", b"SELECT 1", b"{}", b'{"query": 1}'])
async def test_a_body_that_is_no_request(start_engine, body) -> None:
    async with start_engine(service) as engine:
        answer = await engine.admin.post("/query", content=body)
    assert answer.status_code == 400
    assert "must be JSON" in answer.json()["message"]


async def test_a_query_is_no_way_to_fill_the_engines_memory(start_engine) -> None:
    async with start_engine(service) as engine:
        answer = await ask(engine.admin, "SELECT 1 -- " + "x" * 5_000_000)
    assert (answer.status_code, answer.json()["message"][:20]) == (413, "the body is larger t")


async def test_values_of_all_kinds_as_json(start_engine) -> None:
    async with start_engine() as engine:
        answer = await ask(
            engine.admin,
            "SELECT NULL AS n, CAST('NaN' AS DOUBLE) AS nan, 1.5 AS f, TRUE AS t, [1, 2] AS l, "
            "arrow_cast(1500, 'Duration(Millisecond)') AS d, "
            "arrow_cast(86400, 'Duration(Second)') AS day, "
            "arrow_cast(1795390048139, 'Timestamp(Millisecond, Some(\"+00:00\"))') AS at, "
            "DATE '2026-11-22' AS date, 18446744073709551615 AS big, 'ü' AS text",
        )
    assert answer.json()["rows"] == [
        {"f": 1.5, "t": True, "l": [1, 2], "d": "PT1.5S", "day": "PT86400S", "at": "2026-11-22T23:27:28.139Z"}
        | {"date": "2026-11-22", "big": 18446744073709551615, "text": "ü"}
    ]


async def test_the_engine_goes_on_while_queries_run_and_ends_them_when_it_stops(start_engine) -> None:
    async with httpx2.AsyncClient(timeout=20) as outlasting, start_engine(service) as engine:
        await ask(engine.admin, "SELECT 1")
        url = f"{engine.server.admin_url}/query"
        endless = [asyncio.create_task(outlasting.post(url, json={"query": ENDLESS})) for _ in range(2)]
        started = time.perf_counter()
        for _ in range(20):
            assert (await engine.call("S/shout", "a")).status_code == 200
        assert time.perf_counter() - started < 10
        assert not any(task.done() for task in endless)
        await engine.server.__aexit__()
        for answer in await asyncio.gather(*endless):
            assert (answer.status_code, answer.json()["message"]) == (503, "the engine is stopping")


async def test_heavy_queries_of_people_leave_the_pages_a_place(start_engine) -> None:
    async with start_engine(service) as engine, AdminApi(engine.server.admin_url) as api:
        await ask(engine.admin, "SELECT 1")
        heavy = [asyncio.create_task(api.query(ENDLESS, by_person=True)) for _ in range(3)]
        heavy += [asyncio.create_task(ask(engine.admin, ENDLESS)) for _ in range(3)]
        async with asyncio.timeout(10):
            for _ in range(3):
                assert (await api.query("SELECT 1 AS one")).rows == [{"one": 1}]
        assert not any(task.done() for task in heavy)
        for task in heavy:
            task.cancel()
        await asyncio.gather(*heavy, return_exceptions=True)
        async with asyncio.timeout(10):
            assert (await ask(engine.admin, "SELECT 1 AS one")).content == ONE, "who left gave up its turn"


async def test_a_query_that_takes_too_long_is_stopped(tmp_path: Path, start_engine) -> None:
    async with start_engine(service) as engine:
        path = engine.server.options.data_dir / "perdure.sqlite"
        async with QueryProcesses(path, time_limit_s=1.5) as queries:
            with pytest.raises(RequestError, match=r"took longer than 1\.5 s") as refused:
                await queries.run(ENDLESS, as_json=True)
            assert refused.value.status == 400
            assert await queries.run("SELECT 1 AS one", as_json=True) == ONE


async def test_a_caller_that_leaves_takes_its_query_with_it(start_engine) -> None:
    async with start_engine(service) as engine:
        path = engine.server.options.data_dir / "perdure.sqlite"
        async with QueryProcesses(path) as queries:
            await queries.run("SELECT 1", as_json=True)
            (process,) = queries._idle
            leaving = asyncio.create_task(queries.run(ENDLESS, as_json=True))
            await asyncio.sleep(0)  # it has the process, and waits for the answer
            leaving.cancel()
            assert await asyncio.wait_for(process.wait(), 5) == -signal.SIGKILL
            assert await queries.run("SELECT 1 AS one", as_json=True) == ONE


async def test_a_process_that_dies_is_an_error_for_its_query_and_is_replaced(start_engine) -> None:
    async with start_engine(service) as engine:
        path = engine.server.options.data_dir / "perdure.sqlite"
        async with QueryProcesses(path) as queries:
            await queries.run("SELECT 1", as_json=True)
            (process,) = queries._idle
            asking = asyncio.create_task(queries.run(ENDLESS, as_json=True))
            await asyncio.sleep(0)
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(RequestError, match="ended with -9") as refused:
                await asking
            assert refused.value.status == 500
            assert await queries.run("SELECT 1 AS one", as_json=True) == ONE

            (process,) = queries._idle
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            assert await queries.run("SELECT 1 AS one", as_json=True) == ONE


async def test_processes_are_started_for_a_query_and_end_when_nobody_asks(start_engine) -> None:
    async with start_engine(service) as engine:
        path = engine.server.options.data_dir / "perdure.sqlite"
        async with QueryProcesses(path, idle_s=0.05) as queries:
            assert not queries._all
            await queries.run("SELECT 1", as_json=True)
            (process,) = queries._all
            await asyncio.wait_for(process.wait(), 5)
            assert not queries._all


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    async with QueryProcesses(tmp_path / "none.sqlite") as queries:
        with pytest.raises(RequestError, match="unable to open") as refused:
            await queries.run("SELECT 1", as_json=True)
    assert refused.value.status == 500


def test_a_process_ends_with_the_engine_that_asked(life) -> None:
    command = [sys.executable, "-m", "perdure.engine.introspection.worker", str(life.path), "30"]
    request = b'{"query": "SELECT 1 AS one", "json": true}\n'
    done = subprocess.run(command, input=request, capture_output=True, timeout=30)
    assert done.stdout == b'{"status": 200, "bytes": %d}\n%s' % (len(ONE), ONE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_engine_itself_does_not_load_datafusion() -> None:
    probe = "import sys, perdure.engine.server; print({'datafusion', 'pyarrow'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True, timeout=30).strip() == "set()"
