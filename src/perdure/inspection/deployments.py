"""Deployments, services and handlers, as `GET /deployments` and `GET /services` tell them on both engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perdure.inspection.records import Row, ServiceKind, time_of

_KINDS: dict[str, ServiceKind] = {"VirtualObject": "virtual_object", "Workflow": "workflow"}


@dataclass(frozen=True, slots=True)
class Handler:
    """kind: exclusive, shared or workflow; None in a service. Schemas are JSON schemas; None: not given.

    input_description: in a few words, `none` where it takes nothing.
    """

    name: str
    kind: str | None
    documentation: str | None
    public: bool
    input_description: str
    output_description: str
    input_schema: Any
    output_schema: Any
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its newest deployment has it. handlers: by name, for restate-server tells them in another
    order each time. settings: the rest of what the admin API says of it.
    """

    name: str
    kind: ServiceKind
    handlers: list[Handler]
    documentation: str | None
    public: bool
    deployment_id: str
    revision: int
    metadata: Mapping[str, str]
    settings: Mapping[str, Any]

    def handler(self, name: str) -> Handler | None:
        return next((handler for handler in self.handlers if handler.name == name), None)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where services run. services: their names, with the revision that it brought of each."""

    id: str
    address: str
    created_at: datetime
    services: Mapping[str, int]
    sdk: str | None
    protocol: str
    protocol_versions: tuple[int, int]
    headers: Mapping[str, str]
    metadata: Mapping[str, str]


def service_of(row: Row) -> Service:
    """Of an item of `GET /services`."""
    return Service(
        name=row["name"],
        kind=_KINDS.get(row["ty"], "service"),
        handlers=sorted(map(_handler, row["handlers"]), key=lambda handler: handler.name),
        documentation=row.get("documentation"),
        public=row.get("public", True),
        deployment_id=row["deployment_id"],
        revision=row.get("revision", 1),
        metadata=row.get("metadata") or {},
        settings={name: value for name, value in row.items() if name not in _OF_SERVICE},
    )


_OF_SERVICE = {
    "name", "ty", "handlers", "documentation", "public", "deployment_id", "revision", "metadata",
}  # fmt: skip


def deployment_of(row: Row) -> Deployment:
    """Of an item of `GET /deployments`."""
    return Deployment(
        id=row["id"],
        address=row.get("uri") or row.get("arn", ""),
        created_at=time_of(row["created_at"]),
        services={each["name"]: each.get("revision", 1) for each in row.get("services", ())},
        sdk=row.get("sdk_version"),
        protocol=row.get("protocol_type", ""),
        protocol_versions=(row.get("min_protocol_version", 0), row.get("max_protocol_version", 0)),
        headers=row.get("additional_headers") or {},
        metadata=row.get("metadata") or {},
    )


def _handler(row: Row) -> Handler:
    kind = row.get("ty")
    return Handler(
        name=row["name"],
        kind=kind.lower() if kind else None,
        documentation=row.get("documentation"),
        public=row.get("public", True),
        input_description=row.get("input_description", "none"),
        output_description=row.get("output_description", "none"),
        input_schema=row.get("input_json_schema"),
        output_schema=row.get("output_json_schema"),
        metadata=row.get("metadata") or {},
    )
