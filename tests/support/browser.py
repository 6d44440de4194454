"""A real browser that runs a test's script in a page and tells what it came to.

The page lies on an origin of its own, so what it asks of an engine is cross-origin, as a web app's is. It
posts what the script returns to where it came from: headless Chromium needs no remote control for that.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from perdure.engine.http_server import HttpServer, bind

REQUIRED_BY_ENV = "PERDURE_REQUIRE_BROWSER"
WHY_MISSING = "no Chromium on the PATH: install Debian's package chromium"

_PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const post = (path, value) => fetch(path, { method: "POST", body: JSON.stringify(value) });
globalThis.note = (value) => post("/note", value);
try {
  await post("/result", { value: await (async () => { %s })() });
} catch (error) {
  await post("/result", { error: `${error.name}: ${error.message}` });
}
</script>"""


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """A page in which a script runs. `notes` are what it has passed to `note(...)` so far."""

    def __init__(self) -> None:
        self.notes: asyncio.Queue[Any] = asyncio.Queue()
        self._result: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def result(self, timeout_s: float = 40) -> Any:
        """What the script returns. Raises AssertionError with what it throws."""
        told = await asyncio.wait_for(self._result, timeout_s)
        assert "error" not in told, told["error"]
        return told.get("value")

    async def note(self, request: Request) -> Response:
        self.notes.put_nowait(await request.json())
        return Response(status_code=204)

    async def tell(self, request: Request) -> Response:
        self._result.set_result(await request.json())
        return Response(status_code=204)


@asynccontextmanager
async def page(script: str) -> AsyncIterator[Page]:
    """Open a page that runs `script`, the body of an async function."""
    shown = Page()

    async def html(request: Request) -> Response:
        return HTMLResponse(_PAGE % script)

    app = Starlette(
        routes=[
            Route("/", html),
            Route("/note", shown.note, methods=["POST"]),
            Route("/result", shown.tell, methods=["POST"]),
        ]
    )
    binary = find_browser()
    assert binary is not None, WHY_MISSING
    with tempfile.TemporaryDirectory(prefix="perdure-browser-", ignore_cleanup_errors=True) as profile:
        async with HttpServer(app, bind("127.0.0.1:0", "--test")) as server:
            process = await asyncio.create_subprocess_exec(
                binary,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"),
                server.url,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                process_group=0,
            )
            try:
                yield shown
            finally:
                os.killpg(process.pid, 9)
                await process.wait()
