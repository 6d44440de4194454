"""Deployments and how to reach them."""

from __future__ import annotations

from collections.abc import Callable

from perdure.engine.core.model import Invocation
from perdure.engine.storage.deployments import Deployment
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.engine.transport.port import Transport
from perdure.errors import Unsupported
from perdure.protocol.discovery import Manifest, decode_manifest
from perdure.protocol.ids import deployment_id


class Registry:
    """Which transport an invocation's attempts use."""

    def __init__(self, store: SqliteStore, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._transports: dict[str, Transport] = {}

    async def register(self, transport: Transport, address: str) -> Deployment:
        """Discover a deployment and keep it. Raises DiscoveryFailed, or Unsupported."""
        manifest_json = await transport.discover()
        manifest = decode_manifest(manifest_json)
        _refuse_unsupported(manifest)
        deployment = Deployment(
            id=deployment_id(address, manifest_json.decode()),
            address=address,
            manifest=manifest,
            manifest_json=manifest_json,
            created_at_ms=self._clock_ms(),
        )
        self._store.transact(lambda: self._store.deployments.put(deployment))
        self._transports[deployment.id] = transport
        return deployment

    def endpoint(self, invocation: Invocation) -> tuple[Transport, Manifest] | None:
        """Where the invocation runs: its own deployment, and where that one is gone (the code of this
        process has changed, say) the newest that serves it. What cannot be replayed there fails with a
        journal mismatch, which says so."""
        for deployment in reversed(self._store.deployments.all()):
            if deployment.id == invocation.deployment_id and deployment.id in self._transports:
                return self._transports[deployment.id], deployment.manifest
        for deployment in reversed(self._store.deployments.all()):
            serves = invocation.target.service in deployment.manifest.services
            if serves and deployment.id in self._transports:
                return self._transports[deployment.id], deployment.manifest
        return None


def _refuse_unsupported(manifest: Manifest) -> None:
    for service in manifest.services.values():
        if service.kind != "SERVICE":
            kind = service.kind.replace("_", " ").lower()
            raise Unsupported(
                f"{service.name} is a {kind}; this version of the engine runs plain services only: "
                "use restate-server for it (perdure serve), or make it a restate.Service"
            )
