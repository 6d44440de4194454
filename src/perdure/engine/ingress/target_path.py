"""Which handler a path names: `/Service/handler`, `/Object/key/handler`, `/Workflow/key/handler`. And which
invocation.

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
from perdure.protocol.ids import decode_invocation_id, idempotent_invocation_id, workflow_invocation_id


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


def named_by_path(request: Request, store: SqliteStore) -> str:
    """The id of an invocation that is named by id, workflow key, or target and idempotency key. The verb is
    the last segment, or, in `/restate/attach/{id}`, the one before the id.

    Raises RequestError(400) for a path that names none.
    """
    _, first, *path = segments(request)
    match first, path:
        case "workflow", [name, key, _]:
            return workflow_invocation_id(name, key)
        case ("attach" | "output", [invocation_id]) | ("invocation", [invocation_id, _]):
            decode_invocation_id(invocation_id)
            return invocation_id
        case "invocation", [*target_path, _] if target_path:
            target, _handler, rest = parse_target(target_path, store)
            if len(rest) == 1:
                return idempotent_invocation_id(target.service, target.handler, target.key, rest[0])
    raise RequestError(400, "bad path: name an invocation id, or a target and an idempotency key")
