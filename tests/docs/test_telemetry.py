"""The guide to telemetry: its commands send the trace that it shows, and its table has every metric.

Jaeger is not started, for no container is run here: it is only looked at where it takes traces.
"""

from __future__ import annotations

import logging
import re
import shlex
import shutil
from pathlib import Path

import httpx2
import pytest
import traced_shop
import yaml
from agents import set_trace_processors
from agents.tracing import get_trace_provider
from otlp_receiver import OtlpReceiver
from page_shell import PageShell, needs_pip
from pages import ROOT, executed, page
from prometheus_client.parser import text_string_to_metric_families
from shown_output import is_shown

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.telemetry.log_format import TextFormatter

TELEMETRY = page("docs/guide/telemetry.md", "up trace sdk log filter jaeger prometheus panel")
TEXT = (ROOT / TELEMETRY.up.path).read_text()
ROWS = re.findall(r"^\| `(perdure_\w+)` \|", TEXT, flags=re.MULTILINE)
CLIENT = "00f067aa0ba902b7"


@needs_pip
@pytest.mark.anyio
async def test_a_run_is_sent_as_the_trace_that_is_shown_and_is_counted(shell: PageShell) -> None:
    shutil.copy(traced_shop.__file__, shell.folder / "agent.py")
    del shell.environment["OPENAI_AGENTS_DISABLE_TRACING"]
    shell.environment |= {"OPENAI_API_KEY": "", "PIP_DRY_RUN": "1", "PIP_NO_BUILD_ISOLATION": "false"}
    shell.environment |= {"OTEL_BSP_SCHEDULE_DELAY": "20", "PIP_NO_INDEX": "1"}
    with OtlpReceiver() as receiver:
        shell.words.known = {"path/to/perdure": str(ROOT), "http://localhost:4318": receiver.url}
        installed, *_ = shell.run(TELEMETRY.up)
        assert "Would install perdure" in installed
        assert "not provide the extra" not in installed
        trace = f"'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{CLIENT}-01'"
        shell.do(f"curl localhost:8080/Shop/ask --json '\"Socks?\"' -H {trace}")
        await receiver.until("Shop/ask", "attempt 1", "accept Shop/ask", "invoke_agent Keeper", "Stock/count")
        sent = list(dict.fromkeys(receiver.tree(CLIENT)))
    lines = [re.match(r"([ │├└]*)(.*?)(  |$)", line) for line in TELEMETRY.trace.text.splitlines()]
    shown = [" " * len(line[1]) + line[2] for line in lines if line is not None]
    assert sent == [name.replace(" gpt-5", "") for name in shown]  # the model of the shop has no name

    shell.do("curl localhost:8080/Shop/fail --json '\"Socks?\"'", code=22)
    [scraped] = yaml.safe_load(TELEMETRY.prometheus.text)["scrape_configs"][0]["static_configs"]
    metrics = shell.do(f"curl {scraped['targets'][0]}/metrics")
    metric, outcome = re.search(r"rate\((\w+)\{(.+)\}", TELEMETRY.panel.text).groups()  # type: ignore[union-attr]
    assert re.search(rf'^{metric}\{{handler="fail",{outcome},', metrics, flags=re.MULTILINE)


def test_jaeger_takes_traces_where_they_are_sent() -> None:
    assert "4318:4318" in shlex.split(TELEMETRY.jaeger.text, comments=True)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318" in shlex.split(
        TELEMETRY.up.text, comments=True
    )


def test_a_record_looks_as_shown() -> None:
    about = {
        "service": "Shop",
        "handler": "order",
        "invocation_id": "inv_1fYbnuU4Bh2C",
        "attempt": 2,
        "step": "pay",
    }
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.WARNING, "shop.py", 1, "paying for %s", ("socks",), None, extra=about
    )
    assert is_shown(TELEMETRY.log.text.splitlines(), TextFormatter().format(record))


def test_its_code_runs() -> None:
    root = logging.getLogger()
    handlers, processors = list(root.handlers), get_trace_provider()._multi_processor._processors  # type: ignore[attr-defined]
    try:
        executed(TELEMETRY.sdk)
        assert get_trace_provider()._multi_processor._processors == ()  # type: ignore[attr-defined]
        names = executed(TELEMETRY.filter)
        assert root.handlers[-1] is names["handler"]
    finally:
        root.handlers = handlers
        set_trace_processors(list(processors))


@pytest.mark.anyio
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
