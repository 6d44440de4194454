"""Pages: the templates, and what each of them is rendered with.

A page is plain HTML that works without scripts. It carries an ETag, so a live section that is fetched again
costs nothing where nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.metadata import version
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from perdure.ui import flash, text

THEME_COOKIE = "perdure-theme"
LIVE_HEADER = "x-perdure-live"
"""static/live.js sends it: such a request is no visit."""

templates = Environment(
    loader=PackageLoader("perdure.ui"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters |= text.FILTERS
templates.globals["perdure_version"] = version("perdure")


def page(request: Request, template: str, *, status: int = 200, **values: object) -> Response:
    """Render `templates/<template>` for this request; 304 where the asker has it already.

    Beside `values`, a template has `base` (the prefix of every link), `url(*segments, **query)`,
    `static(name)`, `path` (below the prefix), `theme` and `flash`.
    """
    said = flash.of(request) if is_visit(request) else None
    body = fragment(request, template, flash=said, **values)
    etag = f'"{blake2b(body.encode(), digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "no-store"}
    if status == 200 and request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    response = HTMLResponse(body, status, headers)
    if said is not None:
        flash.forget(response, request)
    return response


def fragment(request: Request, template: str, **values: object) -> str:
    """A part of a page, to be sent by other ways."""
    return templates.get_template(template).render({**_surroundings(request), "flash": None, **values})


def is_visit(request: Request) -> bool:
    """Whether a person came, and not a live section."""
    return LIVE_HEADER not in request.headers


def url(request: Request, *segments: object, **query: object) -> str:
    """A link below the prefix: `url(request, "state", service, key)`. Every segment is quoted, `/` too; what
    is None in the query is left out."""
    path = "/".join(quote(str(segment), safe="") for segment in segments)
    return f"{base(request)}/{path}{text.query_string(query)}"


def base(request: Request) -> str:
    """The prefix under which the UI is mounted."""
    prefix: str = request.scope.get("root_path", "")
    return prefix


def see_other(request: Request, *segments: object, **query: object) -> Response:
    """After a POST: look at that page."""
    return RedirectResponse(url(request, *segments, **query), 303)


def _surroundings(request: Request) -> Mapping[str, object]:
    prefix = base(request)
    theme = request.cookies.get(THEME_COOKIE)
    return {
        "base": prefix,
        "path": request.scope["path"].removeprefix(prefix) or "/",
        "url": lambda *segments, **query: url(request, *segments, **query),
        "static": lambda name: f"{prefix}/static/{name}",
        "theme": theme if theme in ("light", "dark") else None,
    }
