"""The pages of one engine find out together what waits for a human."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
import restate

from perdure.engine.admin.app import admin_app
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import pending
from perdure.ui import overview
from perdure.ui.app import mounted
from perdure.ui.overview import NEEDS_SOMEBODY

pytestmark = pytest.mark.anyio

clerk = restate.Service("Clerk")


@clerk.handler()
async def ask(ctx: restate.Context) -> str:
    awakeable_id, answer = ctx.awakeable(type_hint=str)
    asked = {"awakeable_id": awakeable_id, "tool": "pay", "asked_at": "2026-01-01T00:00:00Z"}
    await ctx.run_typed("approval pay", lambda: {"ok": asked})
    return await answer


async def test_the_inbox_and_the_overview_ask_the_engine_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "APPROVALS_TIMEOUT_S", 10)  # on a busy machine too
    options = EngineOptions(tmp_path, ingress="127.0.0.1:0", admin="127.0.0.1:0")
    asked: list[str] = []
    lists_are_read = asyncio.Event()
    async with EngineServer(options) as server:
        await server.serve_app(restate.app([clerk]), "clerk.py:app")
        admin = admin_app(server.engine, server.ingress_url)

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            asked.append(scope["path"])
            if scope["path"] == "/awakeables":  # it takes until the overview asks too
                await lists_are_read.wait()
            await admin(scope, receive, send)
            if scope["path"] == "/invocations" and asked.count("/invocations") == len(NEEDS_SOMEBODY):
                lists_are_read.set()

        async with (
            AdminApi(server.admin_url) as looking,
            AdminApi.of_app(counted) as api,
            httpx2.AsyncClient(base_url=server.ingress_url) as ingress,
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=mounted(api, is_loopback=True)),
                base_url="http://127.0.0.1/ui",
            ) as ui,
        ):
            await ingress.post("/Clerk/ask/send")
            async with asyncio.timeout(10):
                while not await pending(looking):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            shown = await asyncio.gather(
                ui.get("/approvals/waiting"), ui.get("/approvals/count"), ui.get("/")
            )
    assert ["pay" in page.text for page in shown] == [True, False, True]
    assert asked.count("/awakeables") == 1
