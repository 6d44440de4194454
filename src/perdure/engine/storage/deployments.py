"""Table `deployment`, all of it in memory: there are few, and every call asks which handlers exist."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from perdure.protocol.discovery import (
    HandlerManifest,
    HandlerOptions,
    Manifest,
    ServiceManifest,
    decode_manifest,
)

_COLUMNS = (
    "id, address, manifest, created_at_ms, headers, http1, revisions, set_options, metadata, sdk_version"
)
_PLACEHOLDERS = ", ".join("?" * 10)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where services run. `address` is a URL, or `in-process:NAME`; `headers` go with every request there."""

    id: str
    address: str
    manifest: Manifest
    """As the deployment sent it, with `set_options` in force."""
    manifest_json: bytes
    created_at_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)
    http1: bool = False
    revisions: Mapping[str, int] = field(default_factory=dict)
    """Of each service: how many deployments have brought it, this one included."""
    set_options: Mapping[str, HandlerOptions] = field(default_factory=dict)
    """By service: what a person has set, in the place of what the manifest says."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    sdk_version: str | None = None

    @property
    def is_remote(self) -> bool:
        """Can an engine that starts reach it by itself?"""
        return not self.address.startswith("in-process:")


class Deployments:
    """Reads and writes of the table. The newest deployment of a service takes its new invocations."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._by_id: dict[str, Deployment] = {}
        self.served: set[str] = set()
        """Ids of those that this engine can reach: apps of earlier lives are kept, and are not among them."""
        self.forget()

    def put(self, deployment: Deployment) -> None:
        """Insert or replace it; it is the newest now."""
        self._connection.execute(
            f"INSERT OR REPLACE INTO deployment ({_COLUMNS}) VALUES ({_PLACEHOLDERS})", _encode(deployment)
        )
        self._by_id.pop(deployment.id, None)
        self._by_id[deployment.id] = deployment

    def replace(self, deployment: Deployment) -> None:
        """Replace one that exists; it stays as old as it was."""
        self._connection.execute(
            f"UPDATE deployment SET ({_COLUMNS}) = ({_PLACEHOLDERS}) WHERE id = ?",
            (*_encode(deployment), deployment.id),
        )
        self._by_id[deployment.id] = deployment

    def delete(self, deployment_id: str) -> None:
        self._connection.execute("DELETE FROM deployment WHERE id = ?", (deployment_id,))
        self._by_id.pop(deployment_id, None)

    def get(self, deployment_id: str) -> Deployment | None:
        return self._by_id.get(deployment_id)

    def all(self) -> list[Deployment]:
        """Oldest first."""
        return list(self._by_id.values())

    def service_names(self) -> list[str]:
        """Every service that is deployed, in alphabetical order."""
        return sorted({name for deployment in self._by_id.values() for name in deployment.manifest.services})

    def of_service(self, service: str) -> tuple[Deployment, ServiceManifest] | None:
        """The newest that serves it."""
        for deployment in reversed(self._by_id.values()):
            if manifest := deployment.manifest.services.get(service):
                return deployment, manifest
        return None

    def for_new(self, service: str) -> str | None:
        """Id of the one that takes new invocations: the newest that is served, if any is."""
        serving = [each.id for each in self._by_id.values() if service in each.manifest.services]
        return next(
            (each for each in reversed(serving) if each in self.served), next(reversed(serving), None)
        )

    def handler(self, service: str, handler: str) -> HandlerManifest | None:
        found = self.of_service(service)
        return found[1].handlers.get(handler) if found else None

    def forget(self) -> None:
        """Read the table again: after a rollback only the file is right."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM deployment ORDER BY position")
        self._by_id = {row[0]: _decode(row) for row in rows}


def _encode(deployment: Deployment) -> tuple[object, ...]:
    return (
        deployment.id,
        deployment.address,
        deployment.manifest_json,
        deployment.created_at_ms,
        json.dumps(dict(deployment.headers)),
        deployment.http1,
        json.dumps(dict(deployment.revisions)),
        json.dumps({service: asdict(options) for service, options in deployment.set_options.items()}),
        json.dumps(dict(deployment.metadata)),
        deployment.sdk_version,
    )


def _decode(row: Any) -> Deployment:
    # The table's columns are typed by the migration; sqlite3 knows nothing of it.
    (
        deployment_id, address, manifest_json, created_at_ms, headers, http1, revisions, set_options,
        metadata, sdk_version,
    ) = row  # fmt: skip
    options = {service: HandlerOptions(**said) for service, said in json.loads(set_options).items()}
    return Deployment(
        id=deployment_id,
        address=address,
        manifest=decode_manifest(manifest_json, options),
        manifest_json=manifest_json,
        created_at_ms=created_at_ms,
        headers=json.loads(headers),
        http1=bool(http1),
        revisions=json.loads(revisions),
        set_options=options,
        metadata=json.loads(metadata),
        sdk_version=sdk_version,
    )
