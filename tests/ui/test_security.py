"""A developer's UI listens where any web site's page can send requests: what holds such pages off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import travel_desk

from perdure.inspection import objects
from perdure.inspection.admin_api import AdminApi
from perdure.testing import harness
from perdure.ui.app import mounted
from perdure.ui.security import is_loopback

pytestmark = pytest.mark.anyio

ORIGIN = "http://localhost:9070"


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[AdminApi]:
    async with harness(travel_desk.app, ports=True, skip_time=False) as h, AdminApi(h.admin_url) as api:
        yield api


def browser_at(api: AdminApi, *, is_loopback: bool = True) -> httpx2.AsyncClient:
    """A client of the UI that is not more careful than it."""
    app = mounted(api, is_loopback=is_loopback)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ORIGIN)


async def test_every_answer_forbids_foreign_code_frames_and_sniffing(api: AdminApi) -> None:
    async with browser_at(api) as browser:
        for path, status in (("/ui/", 200), ("/ui/static/style.css", 200), ("/ui/nothing", 404)):
            answer = await browser.get(path)
            assert answer.status_code == status
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_pages_have_no_script_and_no_style_but_their_own_files(api: AdminApi) -> None:
    async with browser_at(api) as browser:
        for path in (
            "/ui/",
            "/ui/activity",
            "/ui/invocations",
            "/ui/services",
            "/ui/services/Desk",
            "/ui/deployments",
        ):
            page = (await browser.get(path)).text
            assert "<style" not in page
            assert " style=" not in page
            assert " onclick=" not in page
            scripts = page.split("<script")[1:]
            assert all('src="/ui/static/' in script.split(">")[0] for script in scripts), path


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8080"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(api: AdminApi, headers: dict[str, str]) -> None:
    async with browser_at(api) as browser:
        answer = await browser.post("/ui/invocations/inv_1/kill", headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": ORIGIN}, {}])
async def test_our_own_pages_and_what_is_no_browser_may(api: AdminApi, headers: dict[str, str]) -> None:
    async with browser_at(api) as browser:
        answer = await browser.post("/ui/no-such-action", headers=headers)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/query", {"query": "SELECT 1"}),
        ("POST", "/services/Counter/state", {"object_key": "ada", "new_state": {"total": [49]}}),
        ("POST", "/deployments", {"uri": "http://127.0.0.1:1"}),
        ("POST", "/internal/invocations_batch_operations/kill", {"invocation_ids": []}),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://evil.example", "host": "evil.example"},  # whose name is 127.0.0.1 by now
        {"origin": "null", "sec-fetch-site": "cross-site"},
    ],
)
async def test_a_page_of_another_site_cannot_use_the_admin_api_either(
    api: AdminApi, method: str, path: str, body: dict[str, object], headers: dict[str, str]
) -> None:
    """With a body of text/plain a browser asks nobody before it sends."""
    async with httpx2.AsyncClient(base_url=api.url) as browser:
        sent = {"content-type": "text/plain", "accept": "application/json", **headers}
        answer = await browser.request(method, path, content=json.dumps(body), headers=sent)
        assert answer.status_code == 403
        assert answer.json()["code"] == 403
    assert (await objects.totals(api)).get("Counter") is None


async def test_a_program_may_use_the_admin_api_under_any_name(api: AdminApi) -> None:
    async with httpx2.AsyncClient(base_url=api.url) as program:
        for headers in ({"host": "host.docker.internal:9070"}, {"origin": api.url}):
            query = {"query": "SELECT 1"}
            assert (await program.post("/query", json=query, headers=headers)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9070", "127.0.0.1.evil.example", "[::1", ""])
async def test_a_foreign_name_for_this_machine_shows_nothing(api: AdminApi, host: str) -> None:
    async with browser_at(api) as browser:
        answer = await browser.get("/ui/", headers={"host": host})
    assert answer.status_code == 403
    assert "Desk" not in answer.text


async def test_on_a_public_address_any_name_may_be_meant(api: AdminApi) -> None:
    async with browser_at(api, is_loopback=False) as browser:
        assert (await browser.get("/ui/", headers={"host": "engine.internal"})).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9070", "a.localhost:1", "127.0.0.1:9070", "127.1.2.3", "[::1]:9070"]
)
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)


async def test_static_files_come_from_the_cache_when_they_are_the_same(api: AdminApi) -> None:
    async with browser_at(api) as browser:
        first = await browser.get("/ui/static/style.css")
        again = await browser.get("/ui/static/style.css", headers={"if-none-match": first.headers["etag"]})
        outside = await browser.get("/ui/static/..%2Fapp.py")
    assert (first.status_code, again.status_code, outside.status_code) == (200, 304, 404)


async def test_a_page_that_did_not_change_is_not_sent_again(api: AdminApi) -> None:
    async with browser_at(api) as browser:
        first = await browser.get("/ui/services")
        again = await browser.get("/ui/services", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_root_leads_to_the_ui(api: AdminApi) -> None:
    async with browser_at(api) as browser:
        answer = await browser.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/ui/")
