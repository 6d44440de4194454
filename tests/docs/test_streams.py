"""The code in the guide to streams runs as it stands, with replay at every await."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sse import read_all

from perdure.testing import harness

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "streams.md"


async def test_an_inventory_is_told_shelf_by_shelf() -> None:
    sources = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    [source] = [source for source in sources if "publish(" in source]
    module: dict[str, Any] = {}
    exec(compile(source, GUIDE.name, "exec"), module)
    async with harness(module["app"], always_replay=True) as h:
        sent = await h.ingress.post("/Library/inventory/send", json=["A", "B"])
        stream = f"/restate/invocation/{sent.json()['invocationId']}/stream"
        events = await read_all(h.ingress, stream)
        summary = await read_all(h.ingress, stream, stream="summary")
    assert [(e.type, e.data.get("shelf"), e.data.get("book")) for e in events] == [
        *(("scanned", shelf, book) for shelf in "AB" for book in range(3)),
        ("end", None, None),
    ]
    assert [e.data["source"] for e in events[:-1]] == ["s1"] * 3 + ["s2"] * 3
    assert [e.data["books"] for e in summary[:-1]] == [3, 6]
    assert summary[-1].data["output"] == 6
