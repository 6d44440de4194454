"""The endpoint manifest: what a deployment says of its services when it is asked.

JSON, versions 2 to 5 (`application/vnd.restate.endpointmanifest.vN+json`). All durations are
milliseconds. Options of a handler override its service's; what neither says is None, and the engine's
default applies. Fields that we do not know are ignored: a newer SDK must still be able to register.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from perdure.errors import DiscoveryFailed
from perdure.protocol.messages import VERSION_MAX, VERSION_MIN

ACCEPT = ", ".join(f"application/vnd.restate.endpointmanifest.v{n}+json" for n in (5, 4, 3, 2))

JsonSchema = bool | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What a service or a handler may configure. None: not said."""

    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None
    journal_retention_ms: int | None = None
    idempotency_retention_ms: int | None = None
    ingress_private: bool | None = None
    retry_initial_interval_ms: int | None = None
    retry_max_interval_ms: int | None = None
    retry_max_attempts: int | None = None
    retry_exponentiation_factor: float | None = None
    retry_on_max_attempts: str | None = None  # "PAUSE" or "KILL"

    def over(self, defaults: HandlerOptions) -> HandlerOptions:
        """These options, and `defaults` where these say nothing."""
        said = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(defaults, **said)


_OPTION_KEYS = {
    "inactivity_timeout_ms": "inactivityTimeout",
    "abort_timeout_ms": "abortTimeout",
    "journal_retention_ms": "journalRetention",
    "idempotency_retention_ms": "idempotencyRetention",
    "ingress_private": "ingressPrivate",
    "retry_initial_interval_ms": "retryPolicyInitialInterval",
    "retry_max_interval_ms": "retryPolicyMaxInterval",
    "retry_max_attempts": "retryPolicyMaxAttempts",
    "retry_exponentiation_factor": "retryPolicyExponentiationFactor",
    "retry_on_max_attempts": "retryPolicyOnMaxAttempts",
}


@dataclass(frozen=True, slots=True)
class HandlerManifest:
    """One handler. `input_schema` None: no JSON schema was given; `input_content_type` None: no input."""

    name: str
    kind: str  # "", "EXCLUSIVE", "SHARED" or "WORKFLOW"
    documentation: str | None
    input_content_type: str | None
    input_schema: JsonSchema | None
    output_content_type: str | None
    output_schema: JsonSchema | None
    options: HandlerOptions


@dataclass(frozen=True, slots=True)
class ServiceManifest:
    """One service, by `kind` "SERVICE", "VIRTUAL_OBJECT" or "WORKFLOW"."""

    name: str
    kind: str
    documentation: str | None
    handlers: Mapping[str, HandlerManifest]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a deployment serves, and the protocol version that both sides speak."""

    protocol_version: int
    bidirectional: bool
    services: Mapping[str, ServiceManifest]


def decode_manifest(body: bytes) -> Manifest:
    """Parse a manifest.

    Raises:
        DiscoveryFailed: not JSON, not a manifest, or no common protocol version.
    """
    try:
        document = cast("dict[str, Any]", json.loads(body))
        low = max(VERSION_MIN, int(document["minProtocolVersion"]))
        high = min(VERSION_MAX, int(document["maxProtocolVersion"]))
        if low > high:
            raise DiscoveryFailed(
                f"the deployment speaks service protocol {document['minProtocolVersion']} to "
                f"{document['maxProtocolVersion']}, this engine {VERSION_MIN} to {VERSION_MAX}"
            )
        return Manifest(
            protocol_version=high,
            bidirectional=document.get("protocolMode") == "BIDI_STREAM",
            services={s["name"]: _service(s) for s in document["services"]},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DiscoveryFailed(f"the deployment's manifest cannot be read: {error!r}") from error


def _service(document: dict[str, Any]) -> ServiceManifest:
    defaults = _options(document)
    return ServiceManifest(
        name=document["name"],
        kind=document["ty"],
        documentation=document.get("documentation"),
        handlers={h["name"]: _handler(h, defaults) for h in document["handlers"]},
    )


def _handler(document: dict[str, Any], defaults: HandlerOptions) -> HandlerManifest:
    given = document.get("input") or {}
    returned = document.get("output") or {}
    return HandlerManifest(
        name=document["name"],
        kind=document.get("ty") or "",
        documentation=document.get("documentation"),
        input_content_type=given.get("contentType"),
        input_schema=given.get("jsonSchema"),
        output_content_type=returned.get("contentType"),
        output_schema=returned.get("jsonSchema"),
        options=_options(document).over(defaults),
    )


def _options(document: dict[str, Any]) -> HandlerOptions:
    return HandlerOptions(**{ours: document.get(theirs) for ours, theirs in _OPTION_KEYS.items()})
