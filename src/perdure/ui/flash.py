"""What an action came to, told once on the next page. It travels in a cookie of the browser that asked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "perdure-flash"
TEXT_MAX = 1_000
"""A browser drops cookies of more than 4 kB."""


@dataclass(frozen=True, slots=True)
class Flash:
    kind: Literal["done", "failed"]
    text: str


def tell(
    response: Response, request: Request, text: str, kind: Literal["done", "failed"] = "done"
) -> Response:
    """Have the next page say it."""
    said = quote(json.dumps(asdict(Flash(kind, text[:TEXT_MAX])), ensure_ascii=True))
    response.set_cookie(COOKIE, said, max_age=60, path=_path(request), httponly=True, samesite="strict")
    return response


def of(request: Request) -> Flash | None:
    """What is to be said, or None: also for a cookie that is not ours."""
    try:
        said = json.loads(unquote(request.cookies[COOKIE]))
        return Flash("failed" if said["kind"] == "failed" else "done", str(said["text"]))
    except (KeyError, ValueError, TypeError):
        return None


def forget(response: Response, request: Request) -> None:
    """It was said."""
    response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict")


def _path(request: Request) -> str:
    return request.scope.get("root_path", "") or "/"
