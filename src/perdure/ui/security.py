"""Which web pages may use the UI and the admin API, and what the UI's own may do.

Both can kill invocations, and listen on a developer's machine, where any web site's page can send requests to
them. Three rules hold such pages off:

* a request that changes something must come from a page of the UI itself (`Sec-Fetch-Site`, or else `Origin`,
  which browsers send with every POST; a client that sends neither is no browser);
* on a loopback address the Host must be a loopback name, or a site that points its own name at 127.0.0.1 (DNS
  rebinding) would be of the same origin;
* the pages load and send nothing but from and to their own origin, and nobody may frame them.

For the admin API the first two hold where a page changes something. Programs send no Origin, come under any
name of the machine (`host.docker.internal`), and are not asked.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
FOREIGN_PAGE = "This request comes from a page of another site, and would change something here: refused."
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guarded:
    """An ASGI app behind these rules.

    is_loopback: whether it listens on a loopback address, so that only loopback names can be meant.
    """

    def __init__(self, app: ASGIApp, *, is_loopback: bool) -> None:
        self._app = app
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        app = self._app if refusal is None else PlainTextResponse(refusal, 403)
        await app(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        if self._is_loopback and not is_loopback(headers.get("host", "")):
            return f"{_foreign_name(headers)}: open the UI at localhost or 127.0.0.1.\n"
        return None if method in SAFE_METHODS or _is_same_origin(headers) else f"{FOREIGN_PAGE}\n"


class GuardedApi:
    """The admin API's ASGI app behind what is said of it above. is_loopback: see Guarded."""

    def __init__(self, app: ASGIApp, *, is_loopback: bool) -> None:
        self._app = app
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            refusal = self._refusal(Headers(scope=scope))
            app = app if refusal is None else JSONResponse({"code": 403, "message": refusal}, 403)
        await app(scope, receive, send)

    def _refusal(self, headers: Headers) -> str | None:
        if self._is_loopback and "origin" in headers and not is_loopback(headers.get("host", "")):
            return _foreign_name(headers)
        return None if _is_same_origin(headers) else FOREIGN_PAGE


def _foreign_name(headers: Headers) -> str:
    return f"Host {headers.get('host', '')!r} is no name of this machine alone"


def is_loopback(host: str) -> bool:
    """Whether a Host (`name:port`, `[v6]:port`, or without the port) can only mean this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_origin(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host", "")
