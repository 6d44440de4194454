"""What is deployed, as far as rows of other tables need it: kinds of services and handlers."""

from __future__ import annotations

import sqlite3

from perdure.engine.storage.deployments import Deployments
from perdure.protocol.discovery import HandlerManifest

_UNCHANGED = "SELECT id, manifest, set_options FROM deployment ORDER BY position"


class Services:
    """Each service as its newest deployment has it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._deployments = Deployments(connection)
        self._seen: list[object] = []

    def refresh(self) -> None:
        """Look into the table, and decode its manifests again if something has changed."""
        seen = self._connection.execute(_UNCHANGED).fetchall()
        if seen != self._seen:
            self._seen = seen
            self._deployments.forget()

    def kind(self, service: str) -> str | None:
        """SERVICE, VIRTUAL_OBJECT or WORKFLOW."""
        found = self._deployments.of_service(service)
        return found[1].kind if found else None

    def is_public(self, service: str) -> bool:
        """May the ingress call it?"""
        found = self._deployments.of_service(service)
        return not (found and found[1].options.ingress_private)

    def handler(self, service: str, handler: str) -> HandlerManifest | None:
        """One handler."""
        return self._deployments.handler(service, handler)

    def protocol_version(self, deployment_id: str) -> int | None:
        """The one that the engine speaks with a deployment."""
        found = self._deployments.get(deployment_id)
        return found.manifest.protocol_version if found else None
