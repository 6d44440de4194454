"""`GET /metrics`, for Prometheus: what the engine has counted since it started, what the store holds now, and
what the handlers of this process have counted.

What the store holds is read when somebody asks, in a thread, beside the writer: it costs a step nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perdure.engine.runtime.engine import Engine
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.read_only import read_only

_INVOCATIONS = (
    "SELECT service, handler, CASE status WHEN 'completed' THEN iif(failed, 'failed', 'succeeded') "
    "ELSE status END AS state, count(*) FROM invocation GROUP BY service, handler, state"
)
_INBOX = "SELECT service, count(*) FROM inbox GROUP BY service"
_TIMERS = "SELECT kind, count(*) FROM timer GROUP BY kind"


def metrics_route(engine: Engine) -> Route:
    """The one route."""
    path = engine.options.data_dir / FILE_NAME

    def scrape() -> bytes:
        now = CollectorRegistry()
        now.register(_Now(read_only(path, lambda file: list(_stored(file))) + list(_files(path))))
        now.register(_Now(list(_under_way(engine))))
        return b"".join(map(generate_latest, (engine.metrics.registry, now, REGISTRY)))

    async def metrics(request: Request) -> Response:
        """Prometheus's text format."""
        return Response(await asyncio.to_thread(scrape), headers={"content-type": CONTENT_TYPE_LATEST})

    return Route("/metrics", metrics)


class _Now(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _stored(file: sqlite3.Connection) -> Iterator[Metric]:
    yield _gauge(
        "perdure_invocations",
        "Invocations in the store, by state. Completed ones are kept for a day by default.",
        ("service", "handler", "state"),
        file.execute(_INVOCATIONS).fetchall(),
    )
    yield _gauge(
        "perdure_inbox_invocations",
        "Invocations that wait for their virtual object.",
        ("service",),
        file.execute(_INBOX).fetchall(),
    )
    yield _gauge("perdure_timers", "Timers that wait.", ("kind",), file.execute(_TIMERS).fetchall())


def _files(path: Path) -> Iterator[Metric]:
    sizes = [("database", path), ("log", path.with_name(f"{path.name}-wal"))]
    rows = [(name, file.stat().st_size) for name, file in sizes if file.exists()]
    yield _gauge("perdure_store_bytes", "Of the files on disk.", ("file",), rows)


def _under_way(engine: Engine) -> Iterator[Metric]:
    load = engine.load()
    gauges = {
        "perdure_attempts_running": ("Attempts under way.", load.attempts),
        "perdure_attempts_waiting": ("Attempts that wait for a place; see --concurrency.", load.waiting),
        "perdure_clients_waiting": ("Clients that wait for a result.", load.clients),
        "perdure_stream_readers": ("Clients that wait for the next event of a stream.", load.readers),
    }
    for name, (what, value) in gauges.items():
        yield GaugeMetricFamily(name, what, value)
    counters = {
        "perdure_journal_bytes": ("Bytes of entries that were journaled.", load.journal_bytes),
        "perdure_journal_entries": ("Entries that were journaled.", load.journal_entries),
        "perdure_stream_events": ("Events that were published into streams.", load.stream_events),
    }
    for name, (what, value) in counters.items():
        yield CounterMetricFamily(name, what, value)
    build = GaugeMetricFamily("perdure_build_info", "The version that runs.", labels=["version"])
    build.add_metric([version("perdure")], 1)
    yield build


def _gauge(name: str, what: str, labels: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for *values, number in rows:
        family.add_metric([str(value) for value in values], float(str(number)))
    return family
