"""What a page's buttons do: a form is posted, the admin API is asked, and the next page says what came of it.

A form that asks first (`data-confirm`) is answered with a page that asks, unless it says `confirmed=yes`:
static/confirm.js asks in a dialog and then says so, and without scripts that page is the question.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perdure.errors import EngineUnreachable, RequestError
from perdure.ui import flash
from perdure.ui.pages import base, page

BODY_BYTES_MAX = 16 * 1024 * 1024


async def form(request: Request) -> Mapping[str, str]:
    """The fields of a posted form; of a repeated name the last. Raises RequestError."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise RequestError(413, f"the form is larger than {BODY_BYTES_MAX // 1024**2} MiB")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError as error:
        raise RequestError(400, "the form is not UTF-8") from error


async def act(
    request: Request, fields: Mapping[str, str], do: Callable[[], Awaitable[str]], *, ask: str | None = None
) -> Response:
    """Do it and go to the field `next` (a path below the UI's prefix; default: where the form was).

    do: returns what to tell the user. Errors of the admin API are told instead, in its words.
    ask: the question to which `confirmed=yes` is the answer; None where nothing can be lost.
    """
    back = _next(request, fields)
    if ask is not None and fields.get("confirmed") != "yes":
        return page(request, "confirm.html", question=ask, fields=fields, back=back)
    response = RedirectResponse(back, 303)
    try:
        return flash.tell(response, request, await do())
    except (RequestError, EngineUnreachable) as error:
        return flash.tell(response, request, str(error), "failed")


def _next(request: Request, fields: Mapping[str, str]) -> str:
    """A path of ours and never another site's: `next` and `Referer` are what anybody says."""
    prefix = f"{base(request)}/"
    for told in (
        fields.get("next", ""),
        urlsplit(request.headers.get("referer", ""))._replace(scheme="", netloc="").geturl(),
    ):
        if told.startswith(prefix) and not told.startswith("//") and "\\" not in told:
            return told
    return prefix
