"""The engine's metrics for Prometheus: what happened since it started.

Labels are services, handlers and outcomes; never ids or keys. What the store knows is not counted here but
read from it when somebody asks (see `engine/admin/metrics.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from perdure.engine.core.inputs import Input, Progress
from perdure.engine.core.model import Failure, Invocation
from perdure.engine.runtime.attempt_log import AttemptOver
from perdure.protocol.session import RunProposed

_OF = ("service", "handler")
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
_COMMITS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1)
_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Tally:
    """A histogram, in plain numbers."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """bounds: the upper ones, ascending; a last bucket has what is beyond."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """(for each bound how many were up to there, the sum of all)."""
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True)), self._sum


class EngineMetrics(Collector):
    """Of one engine, in a registry of its own. See `attempt_log.Watcher`."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._completed = Counter(
            "perdure_invocations_completed",
            "Invocations that have completed.",
            (*_OF, "outcome"),
            registry=own,
        )
        self._durations = Histogram(
            "perdure_invocation_duration_seconds",
            "From the request to the result; waiting and suspended time is part of it.",
            _OF,
            buckets=_DURATIONS_S,
            registry=own,
        )
        self._attempts = Counter(
            "perdure_attempts_ended", "Attempts that have ended.", (*_OF, "outcome"), registry=own
        )
        self._attempt_seconds = Histogram(
            "perdure_attempt_duration_seconds",
            "Of attempts.",
            _OF,
            buckets=_DURATIONS_S,
            registry=own,
        )
        # A commit is made for every step, so it is counted in plain numbers: each of the library's own calls
        # would take some microseconds.
        self._steps: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._commits = Tally(_COMMITS_S)
        self._batches = Tally(_BATCHES)
        self.registry.register(self)

    def committed(self, batch: list[Input], took_s: float, under_way: Mapping[str, Invocation]) -> None:
        """One transaction is on disk, of these attempts among others."""
        self._commits.observe(took_s)
        self._batches.observe(len(batch))
        for event in batch:
            if type(event) is Progress:
                for said in event.events:
                    if type(said) is RunProposed and (invocation := under_way.get(event.id)) is not None:
                        self._steps[invocation.target.service, invocation.target.handler] += 1

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        steps = CounterMetricFamily("perdure_steps", "Results of steps that were journaled.", labels=_OF)
        for labels, number in list(self._steps.items()):
            steps.add_metric(labels, number)
        yield steps
        yield HistogramMetricFamily(
            "perdure_commit_duration_seconds",
            "Of one transaction: its rules and its fsync.",
            *self._commits.read(),
        )
        yield HistogramMetricFamily(
            "perdure_commit_inputs", "Inputs that shared one transaction.", *self._batches.read()
        )

    def attempt_over(self, over: AttemptOver) -> None:
        labels = _of(over.invocation)
        self._attempts.labels(*labels, over.outcome.value).inc()
        began_at_ms = over.invocation.last_start_at_ms
        if began_at_ms is not None:
            self._attempt_seconds.labels(*labels).observe(max(over.ended_at_ms - began_at_ms, 0) / 1000)

    def completed(self, invocation: Invocation) -> None:
        outcome = "failed" if isinstance(invocation.result, Failure) else "succeeded"
        self._completed.labels(*_of(invocation), outcome).inc()
        took_ms = (invocation.completed_at_ms or invocation.created_at_ms) - invocation.created_at_ms
        self._durations.labels(*_of(invocation)).observe(max(took_ms, 0) / 1000)


def _of(invocation: Invocation) -> tuple[str, str]:
    return invocation.target.service, invocation.target.handler
