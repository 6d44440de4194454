"""What Tab offers after a command: ids, services, handlers and keys of the engine at `--admin`.

A shell asks at every Tab, so nothing heavy is imported, the engine gets a second to answer, and whatever goes
wrong means: no suggestions.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import typer

from perdure.cli.options import ADMIN_DEFAULT

_TIMEOUT_S = 1.5
_OFFERED_MAX = 100

Offers = Iterator[tuple[str, str]]
"""(word, what it is) pairs."""


def _quiet(offers: Callable[[str, typer.Context], Offers]) -> Callable[[typer.Context, str], list[Any]]:
    # typer tells the parameters apart by their types alone, and takes `incomplete` by its name
    def complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            found = offers(_admin_of(ctx), ctx)
            return [pair for pair in found if pair[0].startswith(incomplete)][:_OFFERED_MAX]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    return complete


def _invocations(admin: str, ctx: typer.Context, *, completed: bool | None = None) -> Offers:
    try:
        rows = _get(admin, "/invocations?limit=500")["invocations"]
    except (OSError, ValueError, KeyError):  # a restate-server has no such list
        columns = "id, target, status"
        rows = _query(admin, f"SELECT {columns} FROM sys_invocation ORDER BY created_at DESC LIMIT 500")
    named = set(ctx.params.get("invocation_ids") or ())
    for row in rows:
        if row["id"] not in named and completed in (None, row["status"] == "completed"):
            yield row["id"], f"{row['target']} {row['status']}"


def _running(admin: str, ctx: typer.Context) -> Offers:
    return _invocations(admin, ctx, completed=False)


def _ended(admin: str, ctx: typer.Context) -> Offers:
    return _invocations(admin, ctx, completed=True)


def _services(admin: str, ctx: typer.Context) -> Offers:
    for row in _get(admin, "/services")["services"]:
        yield row["name"], " ".join(handler["name"] for handler in row["handlers"])


def _handlers(admin: str, ctx: typer.Context) -> Offers:
    for row in _get(admin, "/services")["services"]:
        if ctx.params.get("service") in (None, row["name"]):
            for handler in row["handlers"]:
                yield handler["name"], row["name"]


def _keys(admin: str, ctx: typer.Context) -> Offers:
    of = f"WHERE service_name = {_text(ctx.params['service'])}" if ctx.params.get("service") else ""
    rows = _query(admin, f"SELECT DISTINCT service_key, service_name FROM state {of} ORDER BY 1 LIMIT 500")
    for row in rows:
        yield row["service_key"], row["service_name"]


def _entries(admin: str, ctx: typer.Context) -> Offers:
    service, key = _text(ctx.params["service"]), _text(ctx.params["key"])
    where = f"service_name = {service} AND service_key = {key}"
    for row in _query(admin, f"SELECT key, value_length FROM state WHERE {where} ORDER BY 1 LIMIT 500"):
        yield row["key"], f"{row['value_length']} bytes"


def _deployments(admin: str, ctx: typer.Context) -> Offers:
    for row in _get(admin, "/deployments")["deployments"]:
        yield row["id"], str(row.get("uri") or row.get("arn") or "")


complete_invocation = _quiet(_invocations)
complete_running = _quiet(_running)
complete_ended = _quiet(_ended)
complete_service = _quiet(_services)
complete_handler = _quiet(_handlers)
complete_key = _quiet(_keys)
complete_entry = _quiet(_entries)
complete_deployment = _quiet(_deployments)


def _admin_of(ctx: typer.Context) -> str:
    address = str(ctx.params.get("admin") or os.environ.get("PERDURE_ADMIN") or ADMIN_DEFAULT)
    return (address if "://" in address else f"http://{address}").rstrip("/")


def _get(admin: str, path: str, body: bytes | None = None) -> Any:
    headers = {"accept": "application/json", "content-type": "application/json"}
    request = urllib.request.Request(f"{admin}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        return json.load(answer)


def _query(admin: str, sql: str) -> Any:
    return _get(admin, "/query", json.dumps({"query": sql}).encode())["rows"]


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
