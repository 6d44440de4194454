"""What a page's buttons do, as a browser without scripts sees it."""

from __future__ import annotations

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from perdure.errors import RequestError
from perdure.ui.actions import act, form
from perdure.ui.failures import FAILURE_PAGES
from perdure.ui.pages import page

pytestmark = pytest.mark.anyio

ORIGIN = "http://localhost:9070"


class Bin:
    """Something that can be emptied."""

    def __init__(self) -> None:
        self.emptied = 0

    async def empty(self) -> str:
        self.emptied += 1
        if self.emptied > 1:
            raise RequestError(409, "it is <empty> already")
        return "It is empty now"


def user_of(bin_: Bin) -> httpx2.AsyncClient:
    async def shown(request: Request) -> Response:
        return page(request, "failure.html", message="a bin")

    async def emptied(request: Request) -> Response:
        return await act(request, await form(request), bin_.empty, ask="Empty it?")

    routes = [Route("/bin", shown), Route("/bin", emptied, methods=["POST"]), Route("/", shown)]
    app = Starlette(routes=[Mount("/ui", Starlette(routes=routes, exception_handlers=FAILURE_PAGES))])
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, follow_redirects=True)


async def test_it_is_asked_for_first_and_told_once() -> None:
    bin_ = Bin()
    async with user_of(bin_) as user:
        asked = await user.post("/ui/bin", data={"next": "/ui/bin?full=1", "what": "<all>"})
        assert "Empty it?" in asked.text
        assert 'name="what" value="&lt;all&gt;"' in asked.text
        assert bin_.emptied == 0
        done = await user.post("/ui/bin", data={"next": "/ui/bin?full=1", "confirmed": "yes"})
        assert (str(done.url), bin_.emptied) == (f"{ORIGIN}/ui/bin?full=1", 1)
        assert "It is empty now" in done.text
        assert "It is empty now" not in (await user.get("/ui/bin")).text


async def test_what_the_engine_refuses_is_told_in_its_words() -> None:
    bin_ = Bin()
    async with user_of(bin_) as user:
        for _ in range(2):
            told = await user.post(
                "/ui/bin", data={"confirmed": "yes"}, headers={"referer": f"{ORIGIN}/ui/bin"}
            )
    assert "it is &lt;empty&gt; already" in told.text


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/ui/", "/ui\\@evil.example", "/other", "javascript:alert(1)"],
)
async def test_nobody_is_led_to_another_site(elsewhere: str) -> None:
    async with user_of(Bin()) as user:
        done = await user.post("/ui/bin", data={"next": elsewhere, "confirmed": "yes"})
    assert str(done.url) == f"{ORIGIN}/ui/"


async def test_a_live_section_does_not_take_the_message_away() -> None:
    async with user_of(Bin()) as user:
        done = await user.post("/ui/bin", data={"confirmed": "yes"}, follow_redirects=False)
        assert done.status_code == 303
        live = await user.get("/ui/bin", headers={"x-perdure-live": "1"})
        assert "It is empty now" not in live.text
        assert "It is empty now" in (await user.get("/ui/bin")).text


async def test_a_form_that_is_no_text_is_refused() -> None:
    async with user_of(Bin()) as user:
        assert (await user.post("/ui/bin", content=b"a=\xff")).status_code == 400
