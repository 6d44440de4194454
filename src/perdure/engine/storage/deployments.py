"""Table `deployment`, all of it in memory: there are few, and every call asks which handlers exist."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from perdure.protocol.discovery import HandlerManifest, Manifest, ServiceManifest, decode_manifest

_COLUMNS = "id, address, manifest, created_at_ms, headers, http1"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where services run. `address` is a URL, or `in-process:NAME`; `headers` go with every request there."""

    id: str
    address: str
    manifest: Manifest
    manifest_json: bytes
    created_at_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)
    http1: bool = False

    @property
    def is_remote(self) -> bool:
        """Can an engine that starts reach it by itself?"""
        return not self.address.startswith("in-process:")


class Deployments:
    """Reads and writes of the table. The newest deployment of a service takes its new invocations."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._by_id: dict[str, Deployment] = {}
        self.forget()

    def put(self, deployment: Deployment) -> None:
        self._connection.execute(
            f"INSERT OR REPLACE INTO deployment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            (
                deployment.id,
                deployment.address,
                deployment.manifest_json,
                deployment.created_at_ms,
                json.dumps(dict(deployment.headers)),
                deployment.http1,
            ),
        )
        self._by_id.pop(deployment.id, None)
        self._by_id[deployment.id] = deployment

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

    def handler(self, service: str, handler: str) -> HandlerManifest | None:
        found = self.of_service(service)
        return found[1].handlers.get(handler) if found else None

    def forget(self) -> None:
        """Read the table again: after a rollback only the file is right."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM deployment ORDER BY position")
        self._by_id = {
            row[0]: Deployment(
                row[0], row[1], decode_manifest(row[2]), row[2], row[3], json.loads(row[4]), bool(row[5])
            )
            for row in rows
        }
