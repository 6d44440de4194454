"""Which web pages may call the ingress from a browser.

On a loopback address: all of them, as restate-server allows it everywhere; a page that is developed on
another port of the same machine is the common case there. On an address that others can reach: none, until
origins are named (`--cors-origin`).
"""

from __future__ import annotations

import ipaddress

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from perdure.engine.ingress.errors import SOURCE_HEADER
from perdure.engine.ingress.responses import EXPIRES_HEADER, ID_HEADER
from perdure.engine.runtime.options import EngineOptions

PREFLIGHT_VALID_S = 600


def cors_middleware(options: EngineOptions) -> Middleware:
    """As the options say. `*` among the origins stands for every one."""
    origins = options.cors_origins
    anyone = "*" in origins if origins else _is_loopback(options.ingress)
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        # A pattern and not `*`: the origin is then named in the answer, which requests with credentials need.
        allow_origin_regex=".*" if anyone else None,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        allow_credentials=True,
        expose_headers=[ID_HEADER, EXPIRES_HEADER, SOURCE_HEADER],
        max_age=PREFLIGHT_VALID_S,
    )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
