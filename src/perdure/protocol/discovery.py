"""The endpoint manifest: what a deployment says of its services when it is asked.

JSON, versions 2 to 5 (`application/vnd.restate.endpointmanifest.vN+json`). All durations are
milliseconds. Options of a handler override its service's; what neither says is None, and the engine's
default applies. Fields that we do not know are ignored: a newer SDK must still be able to register.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, cast

from pydantic import Field, TypeAdapter, ValidationError

from perdure.errors import DiscoveryFailed
from perdure.protocol.messages import VERSION_MAX, VERSION_MIN

ACCEPT = ", ".join(f"application/vnd.restate.endpointmanifest.v{n}+json" for n in (5, 4, 3, 2))

JsonSchema = bool | Mapping[str, object]
Name = Annotated[str, Field(min_length=1)]
Milliseconds = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What a service or a handler may configure. None: not said."""

    inactivity_timeout_ms: Milliseconds | None = None
    abort_timeout_ms: Milliseconds | None = None
    journal_retention_ms: Milliseconds | None = None
    idempotency_retention_ms: Milliseconds | None = None
    workflow_retention_ms: Milliseconds | None = None
    lazy_state: bool | None = None
    eager_state_keys: tuple[str, ...] | None = None
    ingress_private: bool | None = None
    retry_initial_interval_ms: Milliseconds | None = None
    retry_max_interval_ms: Milliseconds | None = None
    retry_max_attempts: Annotated[int, Field(ge=0)] | None = None
    retry_exponentiation_factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    retry_on_max_attempts: Literal["PAUSE", "KILL"] | None = None

    def over(self, defaults: HandlerOptions) -> HandlerOptions:
        """These options, and `defaults` where these say nothing."""
        said = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(defaults, **said)


_OPTION_KEYS = {
    "inactivity_timeout_ms": "inactivityTimeout",
    "abort_timeout_ms": "abortTimeout",
    "journal_retention_ms": "journalRetention",
    "idempotency_retention_ms": "idempotencyRetention",
    "workflow_retention_ms": "workflowCompletionRetention",
    "lazy_state": "enableLazyState",
    "eager_state_keys": "eagerStateKeysWhitelist",
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

    name: Name
    kind: Literal["", "EXCLUSIVE", "SHARED", "WORKFLOW"]
    documentation: str | None
    input_content_type: str | None
    input_schema: JsonSchema | None
    output_content_type: str | None
    output_schema: JsonSchema | None
    options: HandlerOptions
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceManifest:
    """One service and its handlers, by name. Its options are in force where a handler says nothing."""

    name: Name
    kind: Literal["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"]
    documentation: str | None
    handlers: Mapping[str, HandlerManifest]
    options: HandlerOptions = HandlerOptions()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a deployment serves, the protocol version that both sides speak, and those that it speaks."""

    protocol_version: int
    bidirectional: bool
    services: Mapping[str, ServiceManifest]
    protocol_version_min: int = VERSION_MIN
    protocol_version_max: int = VERSION_MAX


# A deployment may say anything: what it says is checked here, and nowhere after.
_OPTIONS = TypeAdapter(HandlerOptions)
_HANDLER = TypeAdapter(HandlerManifest)
_SERVICE = TypeAdapter(ServiceManifest)


def decode_manifest(body: bytes, set_options: Mapping[str, HandlerOptions] | None = None) -> Manifest:
    """Parse a manifest. `set_options`, by service, stand in the place of what it says of those services.

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
            services={s["name"]: _service(s, set_options or {}) for s in document["services"]},
            protocol_version_min=int(document["minProtocolVersion"]),
            protocol_version_max=int(document["maxProtocolVersion"]),
        )
    except ValidationError as error:
        what = "; ".join(f"{e['loc'][-1] if e['loc'] else 'it'}: {e['msg']}" for e in error.errors())
        raise DiscoveryFailed(f"the deployment's manifest cannot be read: {what}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DiscoveryFailed(f"the deployment's manifest cannot be read: {error!r}") from error


def _service(document: dict[str, Any], set_options: Mapping[str, HandlerOptions]) -> ServiceManifest:
    defaults = set_options.get(document["name"], HandlerOptions()).over(_options(document))
    return _SERVICE.validate_python(
        {
            "name": document["name"],
            "kind": document["ty"],
            "documentation": document.get("documentation"),
            "handlers": {h["name"]: _handler(h, defaults) for h in document["handlers"]},
            "options": defaults,
            "metadata": document.get("metadata") or {},
        }
    )


def _handler(document: dict[str, Any], defaults: HandlerOptions) -> HandlerManifest:
    given = document.get("input") or {}
    returned = document.get("output") or {}
    return _HANDLER.validate_python(
        {
            "name": document["name"],
            "kind": document.get("ty") or "",
            "documentation": document.get("documentation"),
            "input_content_type": given.get("contentType"),
            "input_schema": given.get("jsonSchema"),
            "output_content_type": returned.get("contentType"),
            "output_schema": returned.get("jsonSchema"),
            "options": _options(document).over(defaults),
            "metadata": document.get("metadata") or {},
        }
    )


def _options(document: dict[str, Any]) -> HandlerOptions:
    return _OPTIONS.validate_python({ours: document.get(theirs) for ours, theirs in _OPTION_KEYS.items()})
