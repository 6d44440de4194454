"""The page of one invocation in a real browser, against a live engine with running agents."""

from __future__ import annotations

from typing import Any

import httpx2
import press_room
import pytest
from chromium import Screenshot, Tab


@pytest.fixture(scope="module")
def app() -> Any:
    return press_room.app


async def sent(ingress: httpx2.AsyncClient, path: str, body: object) -> str:
    """The id of a new invocation."""
    answer = await ingress.post(f"{path}/send", json=body)
    return str(answer.json()["invocationId"])


async def test_a_run_of_agents_is_read_as_a_tree(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/write", "tide")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("succeeded", "#invocation-status")
    await tab.wait_for_text("output", ".steps")
    await screenshot(tab, "invocation-agents")
