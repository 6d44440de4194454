"""When traces are sent, and what a person is told when they cannot be."""

from __future__ import annotations

import sys
import time

import pytest
from free_port import free_port
from opentelemetry import trace

from perdure.telemetry import otlp, spans, trace_context

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)  # the API has no way to take one back
    for name in (*otlp._ENDPOINTS, *otlp._PROTOCOLS, "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_sent_unless_a_receiver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert otlp.send_traces() is None
    assert not spans.is_on()

    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert otlp.send_traces() is None
    assert not spans.is_on()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    problem = otlp.send_traces()

    assert problem is not None
    assert "pip install 'perdure[otel]'" in problem
    assert "\n" not in problem
    assert not spans.is_on()


def test_a_protocol_that_is_not_spoken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

    problem = otlp.send_traces()

    assert problem is not None
    assert "4318" in problem


def test_a_program_that_configured_opentelemetry_itself_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    theirs = TracerProvider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", theirs)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")

    assert otlp.send_traces() is None
    assert trace.get_tracer_provider() is theirs


def test_a_receiver_that_is_away_does_not_keep_a_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
    assert otlp.send_traces() is None
    spans.start("unheard", trace_context.parent_of("inv_1", None)).end()

    began = time.monotonic()
    otlp.flush()

    assert time.monotonic() - began < otlp.EXIT_S + 1
