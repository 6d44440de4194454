"""One entry of a state: look at it, change it, remove it; and remove all of them.

A form says what it was made from, so that nobody's write is lost: what has changed meanwhile is shown beside
what was typed, and saving again is a decision. What was typed is never lost to an error either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import EngineUnreachable, RequestError
from perdure.inspection import state
from perdure.inspection.admin_api import AdminApi
from perdure.ui import entry_text, flash
from perdure.ui.actions import act, form
from perdure.ui.entry_text import KINDS, Kind
from perdure.ui.pages import page, see_other, url
from perdure.ui.state import key_of

EDIT_BYTES_MAX = 1024 * 1024
"""A larger value is downloaded, and not edited in a browser."""
DOWNLOAD_BYTES_MAX = 2**31 - 1
_DONE = "The state is written"
_ASKED = "The engine was asked to write the state and has not done so yet: it waits until the object is free"


@dataclass(frozen=True, slots=True)
class Editor:
    """What the form shows. seen: the digest of what it was made from."""

    name: str
    kind: Kind
    text: str
    seen: str


def routes(api: AdminApi) -> list[BaseRoute]:
    async def show(request: Request) -> Response:
        service, key = request.path_params["service"], key_of(request)
        name = request.query_params.get("name", "")
        entry = await _entry(api, service, key, name)
        if name and entry is None:
            raise RequestError(404, f"{service}/{key} has no entry {name!r} (any more)")
        value = None if entry is None else entry.value
        kind = "json" if value is None else entry_text.kind_of(value)
        text = "" if value is None else entry_text.shown(value)
        return _page(request, service, key, Editor(name, kind, text, entry_text.digest(value)), entry)

    async def save(request: Request) -> Response:
        fields = await form(request)
        service, key, name = request.path_params["service"], fields.get("key", ""), fields.get("name", "")
        entry = None
        try:
            entry = await _entry(api, service, key, name)
            before = None if entry is None else entry.value
            value = entry_text.written(_kind(fields), fields.get("text", ""), before)
            if not name:
                raise ValueError("an entry needs a name")
            if entry_text.digest(before) != fields.get("seen", ""):
                raise RequestError(409, _changed_meanwhile(before))
            done = await state.write_entry(api, service, key, name, before=before, after=value)
        except (ValueError, RequestError, EngineUnreachable) as error:
            status = error.status if isinstance(error, RequestError) else 400
            editor = Editor(name, _kind(fields), fields.get("text", ""), fields.get("seen", ""))
            return _page(request, service, key, editor, entry, problem=str(error), status=status)
        return flash.tell(
            see_other(request, "state", service, "object", key=key), request, _DONE if done else _ASKED
        )

    async def delete(request: Request) -> Response:
        fields = await form(request)
        service, key, name = request.path_params["service"], fields.get("key", ""), fields.get("name", "")

        async def deleted() -> str:
            entry = await _entry(api, service, key, name)
            value = None if entry is None else entry.value
            if entry is None or entry_text.digest(value) != fields.get("seen"):
                raise RequestError(409, f"{name} is not removed: {_changed_meanwhile(value)}")
            done = await state.write_entry(api, service, key, name, before=value, after=None)
            return f"{name} is removed" if done else _ASKED

        fields = {**fields, "next": url(request, "state", service, "object", key=key)}
        return await act(request, fields, deleted, ask=f"Remove the entry {name} of {service}/{key}?")

    async def value(request: Request) -> Response:
        """The bytes as they are: UTF-8 as text, which no browser takes for a page; anything else to keep."""
        service, key = request.path_params["service"], key_of(request)
        name = request.query_params.get("name", "")
        entry = await _entry(api, service, key, name, value_bytes_max=DOWNLOAD_BYTES_MAX)
        if entry is None or entry.value is None:
            raise RequestError(404, f"{service}/{key} has no entry {name!r} (any more)")
        try:
            entry.value.decode()
        except UnicodeDecodeError:
            headers = {"content-disposition": 'attachment; filename="value.bin"'}
            return Response(entry.value, media_type="application/octet-stream", headers=headers)
        return Response(entry.value, media_type="text/plain")

    async def ask_to_clear(request: Request) -> Response:
        service, key = request.path_params["service"], key_of(request)
        now = await state.state(api, service, key)
        return page(request, "state_clear.html", service=service, key=key, state=now)

    async def clear(request: Request) -> Response:
        fields = await form(request)
        service, key = request.path_params["service"], fields.get("key", "")

        async def cleared() -> str:
            done = await state.clear(api, service, key, fields.get("version", ""))
            return f"{service}/{key} keeps nothing any more" if done else _ASKED

        fields = {**fields, "next": url(request, "state", service, "object", key=key)}
        return await act(request, fields, cleared)

    return [
        Route("/state/{service}/entry", show, methods=["GET"]),
        Route("/state/{service}/entry", save, methods=["POST"]),
        Route("/state/{service}/delete", delete, methods=["POST"]),
        Route("/state/{service}/value", value),
        Route("/state/{service}/clear", ask_to_clear, methods=["GET"]),
        Route("/state/{service}/clear", clear, methods=["POST"]),
    ]


async def _entry(
    api: AdminApi, service: str, key: str, name: str, *, value_bytes_max: int = EDIT_BYTES_MAX
) -> state.Entry | None:
    found = await state.entries_named(api, service, key, [name], value_bytes_max=value_bytes_max)
    return found.get(name)


def _page(
    request: Request,
    service: str,
    key: str,
    editor: Editor,
    entry: state.Entry | None,
    *,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    """entry: what is stored now, which after a problem may be other than what the editor was made from."""
    stored = None if entry is None else entry.value
    digest = entry_text.digest(stored)
    return page(
        request,
        "state_entry.html",
        status=status,
        service=service,
        key=key,
        editor=editor,
        entry=entry,
        stored="" if stored is None else entry_text.shown(stored),
        digest=digest,
        has_changed=status == 409 and editor.seen != digest,
        problem=problem,
        kinds=KINDS,
    )


def _kind(fields: Mapping[str, str]) -> Kind:
    kind = fields.get("kind", "")
    if not entry_text.is_kind(kind):
        raise RequestError(400, f"a value is one of {', '.join(KINDS)}, not {kind!r}")
    return kind


def _changed_meanwhile(now: bytes | None) -> str:
    return "somebody removed it meanwhile" if now is None else "somebody changed it meanwhile"
