"""The versions of the admin API: `/v2`, `/v3`, `/v4` and no prefix are one API, but for a few defaults."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount

MIN = 2
MAX = 4


def versioned(routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """The routes below each version's prefix, and without any."""
    return [*(Mount(f"/v{version}", routes=routes) for version in range(MIN, MAX + 1)), *routes]


def api_version(request: Request) -> int:
    """The version that the client speaks. Without a prefix it is the newest."""
    prefix = str(request.scope.get("root_path", ""))
    return int(prefix.removeprefix("/v")) if prefix.startswith("/v") else MAX
