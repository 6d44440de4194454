"""Which handler a path names: `/Service/handler`, `/Object/key/handler`, `/Workflow/key/handler`.

A key may hold any character, a slash too, if it is percent-encoded: so the raw path is split first, and its
segments are decoded after.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request

from perdure.engine.core.model import Target
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerManifest


def segments(request: Request) -> list[str]:
    """The decoded segments of the path; a slash at its end means nothing.

    Raises RequestError(400) for bytes that are no UTF-8.
    """
    try:
        path = request.scope["raw_path"].decode().removesuffix("/")
        return [unquote(part, errors="strict") for part in path.split("/")[1:]]
    except UnicodeDecodeError:
        raise RequestError(400, "the path is not UTF-8") from None


def path_and_query(request: Request) -> str:
    """As the client wrote it."""
    path, query = request.scope["raw_path"], request.scope["query_string"]
    return str((path + b"?" + query if query else path).decode(errors="replace"))


def parse_target(path: list[str], store: SqliteStore) -> tuple[Target, HandlerManifest, list[str]]:
    """(target, its handler, the segments after it).

    Raises RequestError: 404 for what is not deployed, 400 for a path that names no handler.
    """
    service = path[0] if path else ""
    kind = store.service_kind(service)
    if kind is None:
        known = ", ".join(store.deployments.service_names()) or "none"
        raise RequestError(404, f"service '{service}' not found; registered: {known}")
    length = 2 if kind == "SERVICE" else 3
    if len(path) < length or not path[1]:
        shape = "/service/handler" if kind == "SERVICE" else "/service/key/handler"
        raise RequestError(400, f"bad path: '{service}' is called at {shape}")
    key, name = ("", path[1]) if kind == "SERVICE" else (path[1], path[2])
    handler = store.handler(service, name)
    if handler is None:
        raise RequestError(404, f"service '{service}' has no handler '{name}'")
    return Target(service, name, key), handler, path[length:]
