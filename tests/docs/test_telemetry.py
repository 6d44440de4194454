"""The guide to telemetry: its code runs, and its table has every metric."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import httpx2
import pytest
from agents import set_trace_processors
from agents.tracing import get_trace_provider
from prometheus_client.parser import text_string_to_metric_families

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer

pytestmark = pytest.mark.anyio

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "telemetry.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
ROWS = re.findall(r"^\| `(perdure_\w+)` \|", GUIDE, flags=re.MULTILINE)


def test_its_code_runs() -> None:
    root = logging.getLogger()
    handlers, processors = list(root.handlers), get_trace_provider()._multi_processor._processors  # type: ignore[attr-defined]
    try:
        for block in PYTHON:
            exec(compile(block, "telemetry.md", "exec"), {})
    finally:
        root.handlers = handlers
        set_trace_processors(list(processors))


async def test_its_table_names_every_metric(tmp_path: Path) -> None:
    import perdure.openai  # noqa: F401 - where handlers run

    options = EngineOptions(data_dir=tmp_path, ingress="127.0.0.1:0", admin="127.0.0.1:0")
    async with EngineServer(options) as server, httpx2.AsyncClient(base_url=server.admin_url) as client:
        text = (await client.get("/metrics")).text

    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(text)
        if family.name.startswith("perdure_")
    }
    assert set(ROWS) == {name for name in told if not name.endswith("_created")}
