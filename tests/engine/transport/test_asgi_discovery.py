"""Discovery of an app in this process."""

from __future__ import annotations

import json

import pytest
import restate

from perdure.engine.transport.asgi import AsgiTransport
from perdure.errors import DiscoveryFailed

pytestmark = pytest.mark.anyio


async def test_a_restate_app_names_its_services_and_its_sdk() -> None:
    manifest_json, sdk_version = await AsgiTransport(restate.app([restate.Service("S")])).discover()

    assert [service["name"] for service in json.loads(manifest_json)["services"]] == ["S"]
    assert sdk_version is not None
    assert sdk_version.startswith("restate-sdk-python/")


async def raises(scope, receive, send) -> None:
    raise LookupError("lost")


async def says_404(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing here"})


async def says_nothing(scope, receive, send) -> None: ...


@pytest.mark.parametrize(
    ("app", "says"),
    [(raises, "raised LookupError"), (says_404, "HTTP status 404"), (says_nothing, "HTTP status None")],
)
async def test_what_is_no_restate_app_is_told_apart(app, says) -> None:
    with pytest.raises(DiscoveryFailed, match=says):
        await AsgiTransport(app).discover()
