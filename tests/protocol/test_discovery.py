"""Manifests as restate-sdk makes them, read as the engine needs them; anything else refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import restate
from restate.discovery import compute_discovery_json
from restate.retry_policy import InvocationRetryPolicy

from perdure.errors import DiscoveryFailed
from perdure.protocol.discovery import HandlerOptions, Manifest, decode_manifest


def discovered(*services: Any, version: int = 5) -> Manifest:
    endpoint = restate.endpoint.Endpoint()
    for service in services:
        endpoint.bind(service)
    return decode_manifest(compute_discovery_json(endpoint, version, "bidi").encode())


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_what_the_sdk_says_in_every_manifest_version(version: int) -> None:
    greeter = restate.Service("Greeter", description="Greets.")

    @greeter.handler()
    async def greet(ctx: restate.Context, name: str) -> str:
        return name

    @greeter.handler()
    async def tick(ctx: restate.Context) -> None: ...

    manifest = discovered(greeter, version=version)

    assert manifest.protocol_version in (5, 6, 7)
    assert manifest.bidirectional
    service = manifest.services["Greeter"]
    assert (service.name, service.kind, service.documentation) == ("Greeter", "SERVICE", "Greets.")
    greets, ticks = service.handlers["greet"], service.handlers["tick"]
    assert (greets.name, greets.kind, greets.options) == ("greet", "", HandlerOptions())
    assert (greets.input_content_type, greets.input_schema) == ("application/json", {"type": "string"})
    assert (greets.output_content_type, greets.output_schema) == ("application/json", {"type": "string"})
    assert (ticks.input_content_type, ticks.output_content_type) == (None, None)


def test_objects_and_workflows_are_told_apart() -> None:
    counter, flow = restate.VirtualObject("Counter"), restate.Workflow("Flow")

    @counter.handler()
    async def add(ctx: restate.ObjectContext, n: int) -> int:
        return n

    @counter.handler(kind="shared")
    async def get(ctx: restate.ObjectSharedContext) -> int:
        return 0

    @flow.main()
    async def run(ctx: restate.WorkflowContext) -> None: ...

    services = discovered(counter, flow).services
    assert {name: service.kind for name, service in services.items()} == {
        "Counter": "VIRTUAL_OBJECT",
        "Flow": "WORKFLOW",
    }
    assert services["Counter"].handlers["add"].kind == "EXCLUSIVE"
    assert services["Counter"].handlers["get"].kind == "SHARED"
    assert services["Flow"].handlers["run"].kind == "WORKFLOW"


def test_a_handlers_options_override_its_services_one_by_one() -> None:
    service = restate.Service(
        "S",
        inactivity_timeout=timedelta(seconds=1),
        journal_retention=timedelta(0),
        ingress_private=True,
        invocation_retry_policy=InvocationRetryPolicy(
            initial_interval=timedelta(milliseconds=250),
            exponentiation_factor=1.5,
            max_attempts=3,
            on_max_attempts="kill",
        ),
    )

    @service.handler()
    async def plain(ctx: restate.Context) -> None: ...

    @service.handler(
        abort_timeout=timedelta(seconds=2),
        idempotency_retention=timedelta(hours=1),
        ingress_private=False,
        invocation_retry_policy=InvocationRetryPolicy(
            max_interval=timedelta(seconds=9), max_attempts=7, on_max_attempts="pause"
        ),
    )
    async def special(ctx: restate.Context) -> None: ...

    handlers = discovered(service).services["S"].handlers
    of_the_service = HandlerOptions(
        inactivity_timeout_ms=1000,
        journal_retention_ms=0,
        ingress_private=True,
        retry_initial_interval_ms=250,
        retry_exponentiation_factor=1.5,
        retry_max_attempts=3,
        retry_on_max_attempts="KILL",
    )
    assert handlers["plain"].options == of_the_service
    assert handlers["special"].options == HandlerOptions(
        inactivity_timeout_ms=1000,
        abort_timeout_ms=2000,
        journal_retention_ms=0,
        idempotency_retention_ms=3_600_000,
        ingress_private=False,
        retry_initial_interval_ms=250,
        retry_max_interval_ms=9000,
        retry_exponentiation_factor=1.5,
        retry_max_attempts=7,
        retry_on_max_attempts="PAUSE",
    )


def test_a_request_response_deployment_is_known_as_one() -> None:
    endpoint = restate.endpoint.Endpoint()
    manifest = decode_manifest(compute_discovery_json(endpoint, 5, "request_response").encode())
    assert not manifest.bidirectional
    assert manifest.services == {}


def a_manifest(**changes: Any) -> dict[str, Any]:
    handler = {"name": "h", "input": {"contentType": "*/*", "jsonSchema": True}}
    service = {"name": "S", "ty": "SERVICE", "handlers": [handler]}
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": [service],
        **changes,
    }


def of(service: dict[str, Any] | None = None, handler: dict[str, Any] | None = None) -> dict[str, Any]:
    document = a_manifest()
    document["services"][0].update(service or {})
    document["services"][0]["handlers"][0].update(handler or {})
    return document


@pytest.mark.parametrize(("low", "high", "spoken"), [(1, 5, 5), (5, 6, 6), (5, 7, 7), (6, 9, 7), (7, 7, 7)])
def test_the_newest_version_that_both_speak_is_spoken(low: int, high: int, spoken: int) -> None:
    document = a_manifest(minProtocolVersion=low, maxProtocolVersion=high)
    assert decode_manifest(json.dumps(document).encode()).protocol_version == spoken


@pytest.mark.parametrize(("low", "high"), [(1, 4), (8, 9)])
def test_no_common_version_says_what_each_side_speaks(low: int, high: int) -> None:
    document = a_manifest(minProtocolVersion=low, maxProtocolVersion=high)
    with pytest.raises(DiscoveryFailed, match=f"protocol {low} to {high}, this engine 5 to 7"):
        decode_manifest(json.dumps(document).encode())


def test_what_a_newer_sdk_adds_is_ignored() -> None:
    document = of({"colour": "blue"}, {"shape": [1, 2], "documentation": None})
    document["lambdaCompression"] = "zstd"
    manifest = decode_manifest(json.dumps(document).encode())
    assert manifest.services["S"].handlers["h"].input_schema is True


GARBAGE = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no text": b"\xff\xfe\x00",
    "JSON that is nested too deeply": b"[" * 100_000,
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "no services": json.dumps({**a_manifest(), "services": None}).encode(),
    "services by name": json.dumps({**a_manifest(), "services": {"S": {}}}).encode(),
    "a version that is no number": json.dumps(a_manifest(minProtocolVersion="new")).encode(),
    "an endless version": json.dumps(a_manifest(maxProtocolVersion=float("inf"))).encode(),
    "a service that is a text": json.dumps(a_manifest(services=["S"])).encode(),
    "a service without a name": json.dumps(a_manifest(services=[{"ty": "SERVICE", "handlers": []}])).encode(),
    "a service with an empty name": json.dumps(of({"name": ""})).encode(),
    "a service whose name is a number": json.dumps(of({"name": 5})).encode(),
    "a kind that nobody knows": json.dumps(of({"ty": "TABLE"})).encode(),
    "a handler without a name": json.dumps(of({"handlers": [{}]})).encode(),
    "a handler whose name is a list": json.dumps(of(handler={"name": []})).encode(),
    "an input that is a text": json.dumps(of(handler={"input": "json"})).encode(),
    "a content type that is a number": json.dumps(of(handler={"input": {"contentType": 1}})).encode(),
    "a schema that is a number": json.dumps(of(handler={"input": {"jsonSchema": 1.5}})).encode(),
    "a timeout that is a text": json.dumps(of({"inactivityTimeout": "soon"})).encode(),
    "a timeout before now": json.dumps(of(handler={"abortTimeout": -1})).encode(),
    "a privacy that is neither": json.dumps(of({"ingressPrivate": "perhaps"})).encode(),
    "an interval that is endless": json.dumps(of({"retryPolicyMaxInterval": float("inf")})).encode(),
    "a factor that is no number": json.dumps(of({"retryPolicyExponentiationFactor": float("nan")})).encode(),
    "an end that nobody knows": json.dumps(of({"retryPolicyOnMaxAttempts": "CRY"})).encode(),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in GARBAGE.items()])
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(DiscoveryFailed, match="the deployment's manifest cannot be read"):
        decode_manifest(body)


def test_the_refusal_names_the_field() -> None:
    with pytest.raises(DiscoveryFailed, match=r"inactivity_timeout_ms: .*integer"):
        decode_manifest(json.dumps(of({"inactivityTimeout": "soon"})).encode())
