"""axe-core, which finds faults of accessibility in a page. It comes from npm: `make npm`."""

from __future__ import annotations

import os
from typing import Any

from chromium import Tab
from restate_server import NODE_MODULES, REQUIRED_BY_ENV

SCRIPT = NODE_MODULES / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


async def faults(tab: Tab) -> list[str]:
    """Serious and critical faults of the page as it is shown, each with the elements that have it.

    None are found where npm has not installed axe-core, unless CI asks for it.
    """
    if not is_installed():
        assert os.environ.get(REQUIRED_BY_ENV) != "1", f"{SCRIPT} is missing: make npm"
        return []
    if not await tab.js("typeof axe === 'object'"):
        await tab.js(f"{SCRIPT.read_text()}; true")
    found: list[dict[str, Any]] = await tab.js(
        """axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.map(
            ({id, impact, help, nodes}) =>
                ({id, impact, help, nodes: nodes.slice(0, 5).map((it) => it.html)})))"""
    )
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: {each['nodes']}"
        for each in found
        if each["impact"] in SERIOUS
    ]


def is_installed() -> bool:
    return SCRIPT.exists()
