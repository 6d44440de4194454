"""A service as JSON, in the shape of restate-server's admin API."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.engine.core.durations import format_duration
from perdure.engine.core.lifecycle.complete import RETENTION_MS_DEFAULT
from perdure.engine.core.retry_policy import RetryPolicy
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.storage.deployments import Deployment
from perdure.protocol.discovery import HandlerManifest, HandlerOptions, ServiceManifest

TYPES = {"SERVICE": "Service", "VIRTUAL_OBJECT": "VirtualObject", "WORKFLOW": "Workflow"}


def service_view(
    service: ServiceManifest, deployment: Deployment, engine: EngineOptions
) -> dict[str, object]:
    """A service as one deployment has it, with what is in force where it says nothing. Absent fields are
    omitted."""
    said = service.options
    workflow = service.kind == "WORKFLOW"
    view = {
        "name": service.name,
        "ty": TYPES[service.kind],
        "handlers": [handler_view(handler, service) for handler in service.handlers.values()],
        "documentation": service.documentation,
        "metadata": dict(service.metadata) or None,
        "deployment_id": deployment.id,
        "revision": deployment.revisions.get(service.name, 1),
        "public": not said.ingress_private,
        "idempotency_retention": _duration(said.idempotency_retention_ms, RETENTION_MS_DEFAULT),
        "workflow_completion_retention": _duration(said.workflow_retention_ms, RETENTION_MS_DEFAULT)
        if workflow
        else None,
        "journal_retention": _duration(said.journal_retention_ms, RETENTION_MS_DEFAULT),
        "inactivity_timeout": _duration(said.inactivity_timeout_ms, engine.inactivity_timeout_ms),
        "abort_timeout": _duration(said.abort_timeout_ms, engine.abort_timeout_ms),
        "enable_lazy_state": bool(said.lazy_state),
        "retry_policy": _retry_policy(RetryPolicy.of(said)),
    }
    return _present(view)


def handler_view(handler: HandlerManifest, service: ServiceManifest) -> dict[str, object]:
    """A handler, with what it says of itself and its service does not."""
    said = handler.options
    own = {
        name: format_duration(value)
        for name, value, of_service in (
            (
                "idempotency_retention",
                said.idempotency_retention_ms,
                service.options.idempotency_retention_ms,
            ),
            ("journal_retention", said.journal_retention_ms, service.options.journal_retention_ms),
            ("inactivity_timeout", said.inactivity_timeout_ms, service.options.inactivity_timeout_ms),
            ("abort_timeout", said.abort_timeout_ms, service.options.abort_timeout_ms),
        )
        if value is not None and value != of_service
    }
    lazy = said.lazy_state if said.lazy_state != service.options.lazy_state else None
    view = {
        "name": handler.name,
        "ty": _handler_type(handler, service),
        "documentation": handler.documentation,
        "metadata": dict(handler.metadata) or None,
        **own,
        "enable_lazy_state": lazy,
        "public": not said.ingress_private,
        "input_description": _description(handler.input_content_type, handler.input_schema),
        "output_description": _description(handler.output_content_type, handler.output_schema),
        "input_json_schema": handler.input_schema,
        "output_json_schema": handler.output_schema,
    }
    return _present(view) | {"retry_policy": _own_retry_policy(said, service.options)}


def _handler_type(handler: HandlerManifest, service: ServiceManifest) -> str | None:
    if service.kind == "SERVICE":
        return None
    default = "Exclusive" if service.kind == "VIRTUAL_OBJECT" else "Shared"
    return handler.kind.capitalize() or default


def _description(content_type: str | None, schema: object) -> str:
    """What people read in tables: `JSON 'Order'`, `JSON string`, `text/plain`, `none`."""
    if isinstance(schema, Mapping):
        if isinstance(title := schema.get("title"), str):
            return f"JSON '{title}'"
        if isinstance(kind := schema.get("type"), str):
            return f"JSON {kind}"
    return content_type or "none"


def _retry_policy(policy: RetryPolicy) -> dict[str, object]:
    return {
        "initial_interval": format_duration(policy.initial_interval_ms),
        "exponentiation_factor": policy.exponentiation_factor,
        "max_attempts": policy.max_attempts,
        "max_interval": format_duration(policy.max_interval_ms),
        "on_max_attempts": "Kill" if policy.kill_on_max_attempts else "Pause",
    }


def _own_retry_policy(said: HandlerOptions, of_service: HandlerOptions) -> dict[str, object]:
    names = (
        "retry_initial_interval_ms",
        "retry_exponentiation_factor",
        "retry_max_attempts",
        "retry_max_interval_ms",
        "retry_on_max_attempts",
    )
    in_force = _retry_policy(RetryPolicy.of(said))
    own = {
        key: value
        for (key, value), name in zip(in_force.items(), names, strict=False)
        if getattr(said, name) != getattr(of_service, name)
    }
    return {"max_attempts": None} | own


def _duration(said_ms: int | None, default_ms: int) -> str:
    return format_duration(default_ms if said_ms is None else said_ms)


def _present(view: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in view.items() if value is not None}
