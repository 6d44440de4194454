"""SQL over what the engine remembers: written in the page, kept in its address, shown as a table."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.abandoned import unless_abandoned
from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi, Rows
from perdure.ui.pages import page

ROWS_SHOWN_MAX = 1_000
"""The rest is a download."""
CELL_CHARS_MAX = 300
COLUMNS = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
)
EXAMPLES = {
    "What goes on now": (
        "SELECT id, target, status, created_at, retry_count\nFROM sys_invocation\n"
        "WHERE status <> 'completed'\nORDER BY created_at DESC\nLIMIT 100"
    ),
    "What failed": (
        "SELECT id, target, completion_failure, modified_at\nFROM sys_invocation\n"
        "WHERE completion_result = 'failure'\nORDER BY modified_at DESC\nLIMIT 100"
    ),
    "What is tried again": (
        "SELECT id, target, retry_count, last_failure, next_retry_at\nFROM sys_invocation\n"
        "WHERE status IN ('backing-off', 'paused')\nORDER BY retry_count DESC"
    ),
    "How much of what": (
        "SELECT target_service_name, target_handler_name, status, count(*) AS invocations\n"
        "FROM sys_invocation\nGROUP BY 1, 2, 3\nORDER BY invocations DESC"
    ),
    "The longest journals": (
        "SELECT id, target, status, journal_size\nFROM sys_invocation\nORDER BY journal_size DESC\nLIMIT 20"
    ),
    "State of objects": (
        "SELECT service_name, service_key, key, value_utf8\nFROM state\n"
        "ORDER BY service_name, service_key, key\nLIMIT 200"
    ),
    "Who waits for an object": (
        "SELECT service_name, service_key, id, sequence_number\nFROM sys_inbox\nORDER BY sequence_number"
    ),
}
_LINKED = {"inv": "invocations", "dp": "deployments"}
_ID = re.compile(r"(inv|dp)_[0-9A-Za-z]{10,40}")


@dataclass(frozen=True, slots=True)
class Cell:
    """text: None for null. whole: where `text` is only its beginning. to: the page that shows it."""

    text: str | None
    whole: str | None = None
    to: tuple[str, str] | None = None
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a query came to. count: of all rows, of which `rows` are the first. took_s: by the UI's clock."""

    columns: list[str]
    rows: list[list[Cell]]
    count: int
    took_s: float


def routes(api: AdminApi) -> list[BaseRoute]:
    async def sql(request: Request) -> Response:
        query = request.query_params.get("query", "").replace("\r\n", "\n").strip()
        tables = asyncio.create_task(_tables(api))
        result, problem = await _run(request, api, query) if query and _is_meant(request) else (None, None)
        return page(
            request,
            "sql.html",
            status=400 if problem else 200,
            query=query,
            examples=EXAMPLES,
            tables=await tables,
            result=result,
            problem=problem,
            is_waiting=bool(query) and result is None and problem is None,
        )

    async def download(request: Request) -> Response:
        if not _is_meant(request):
            raise RequestError(403, "a page of another site asks for this download")
        asked = api.query(request.query_params.get("query", ""), by_person=True)
        rows = await unless_abandoned(request, asked)
        wanted = request.query_params.get("format")
        if wanted not in ("csv", "json"):
            raise RequestError(400, "format: csv or json")
        body = await asyncio.to_thread(as_csv if wanted == "csv" else as_json, rows)
        headers = {
            "content-disposition": f'attachment; filename="query.{wanted}"',
            "cache-control": "no-store",
        }
        kind = "text/csv" if wanted == "csv" else "application/json"
        return Response(body, headers=headers, media_type=kind)

    return [Route("/sql", sql), Route("/sql/download", download)]


async def _tables(api: AdminApi) -> dict[str, list[tuple[str, str]]]:
    """Of each table its columns and their types; none where the engine does not tell."""
    try:
        rows = (await api.query(COLUMNS)).rows
    except RequestError:
        return {}
    tables: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        tables.setdefault(row["table_name"], []).append((row["column_name"], row["data_type"]))
    return tables


async def _run(request: Request, api: AdminApi, query: str) -> tuple[Result | None, str | None]:
    """The result, or what the engine says is wrong with it."""
    began = time.perf_counter()
    try:
        told = await unless_abandoned(request, api.query(query, by_person=True))
    except RequestError as error:
        return None, error.message
    took_s = time.perf_counter() - began
    shown = [[cell(row.get(name)) for name in told.columns] for row in told.rows[:ROWS_SHOWN_MAX]]
    return Result(told.columns, shown, len(told.rows), took_s), None


def _is_meant(request: Request) -> bool:
    """Whether a person, or a page of ours, asks: another site's page may link here, and not make us work."""
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def cell(value: Any) -> Cell:
    """One value of a row, as a table shows it."""
    if value is None:
        return Cell(None)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    found = _ID.fullmatch(text)
    return Cell(
        text[:CELL_CHARS_MAX],
        whole=text if len(text) > CELL_CHARS_MAX else None,
        to=(_LINKED[found[1]], text) if found else None,
        is_number=isinstance(value, int | float) and not isinstance(value, bool),
    )


def as_csv(rows: Rows) -> bytes:
    """With a line of names; null is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(rows.columns)
    for row in rows.rows:
        values = (row.get(name) for name in rows.columns)
        writer.writerow(
            [
                each if each is None or isinstance(each, str) else json.dumps(each, ensure_ascii=False)
                for each in values
            ]
        )
    return out.getvalue().encode("utf-8", "backslashreplace")


def as_json(rows: Rows) -> bytes:
    """A list of objects, in which null columns are left out."""
    return json.dumps(rows.rows).encode()
