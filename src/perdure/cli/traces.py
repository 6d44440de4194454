"""Traces of the processes that the command line starts."""

from __future__ import annotations

import sys

from perdure.telemetry import otlp


def send_traces() -> None:
    """As the environment says; what stands in the way is one line, for nobody's run should fail of it."""
    if (problem := otlp.send_traces()) is not None:
        print(f"perdure: {problem}", file=sys.stderr)
