"""Sending traces, as OpenTelemetry's own environment variables say: OTEL_EXPORTER_OTLP_ENDPOINT and the rest.

A program that configures OpenTelemetry itself is left alone.
"""

from __future__ import annotations

import atexit
import os
import threading

from opentelemetry import trace

from perdure.telemetry import spans

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXIT_S = 2.0
_DELAY = "OTEL_BSP_SCHEDULE_DELAY"
_DELAY_MS = 500.0
"""What a process that is killed has not sent yet is lost, so spans wait less than the usual five seconds."""


def send_traces() -> str | None:
    """Send the spans of this process, if the environment names a receiver. Returns what is in the way."""
    endpoint = _first(_ENDPOINTS)
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp"
    if endpoint is None or not wanted or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if spans.is_on():
        return None
    protocol = _first(_PROTOCOLS) or "http/protobuf"
    if protocol != "http/protobuf":
        return (
            f"no traces are sent: the protocol is {protocol}, and only http/protobuf is spoken here. Unset "
            "OTEL_EXPORTER_OTLP_PROTOCOL, and name the HTTP port of the receiver, 4318 by default"
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        return f"no traces are sent to {endpoint}: the exporter is missing. pip install 'perdure[otel]'"
    delay_ms = None if _DELAY in os.environ else _DELAY_MS
    provider = TracerProvider(resource=Resource.create(_named()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=delay_ms))
    trace.set_tracer_provider(provider)
    atexit.register(flush)
    return None


def flush() -> None:
    """Send what has ended, as the last thing that this process does; a receiver that does not answer is
    waited for EXIT_S and no longer."""
    force_flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if force_flush is not None:
        sending = threading.Thread(target=force_flush, daemon=True)
        sending.start()
        sending.join(EXIT_S)


def _first(variables: tuple[str, ...]) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)


def _named() -> dict[str, str]:
    """The resource, where the environment does not name it."""
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return {} if named else {"service.name": "perdure"}
