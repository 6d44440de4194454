"""Deployments and how to reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perdure.engine.core.model import Invocation
from perdure.engine.storage.deployments import Deployment
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.engine.transport.http import HttpTransport
from perdure.engine.transport.port import Transport
from perdure.protocol.discovery import Manifest, decode_manifest
from perdure.protocol.ids import deployment_id


class Registry:
    """Which transport an invocation's attempts use."""

    def __init__(self, store: SqliteStore, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._transports: dict[str, Transport] = {}

    async def register_app(self, transport: Transport, name: str) -> Deployment:
        """Keep an app of this process. Raises DiscoveryFailed."""
        address = f"in-process:{name}"
        manifest_json = await transport.discover()
        deployment = Deployment(
            # A changed manifest is another deployment: what was pinned to the old one says so.
            id=deployment_id(address, manifest_json.decode()),
            address=address,
            manifest=decode_manifest(manifest_json),
            manifest_json=manifest_json,
            created_at_ms=self._clock_ms(),
        )
        self._keep(deployment, transport)
        return deployment

    async def register_remote(
        self, uri: str, headers: Mapping[str, str], *, http1: bool, force: bool, dry_run: bool
    ) -> tuple[Deployment, bool]:
        """Discover the deployment at `uri` and keep it; (deployment, whether it is new).

        One at a known URI is left as it is, unless `force`: deployments are immutable. Raises
        DiscoveryFailed.
        """
        identity = deployment_id(uri)
        known = self._store.deployments.get(identity)
        if known is not None and not force:
            return known, False
        transport = HttpTransport(uri, headers, http1=http1)
        manifest_json = await transport.discover()
        deployment = Deployment(
            id=identity,
            address=uri,
            manifest=decode_manifest(manifest_json),
            manifest_json=manifest_json,
            created_at_ms=self._clock_ms(),
            headers=headers,
            http1=http1,
        )
        if not dry_run:
            self._keep(deployment, transport)
        return deployment, known is None

    def connect(self) -> list[Deployment]:
        """The remote deployments that an earlier life of the engine registered; nothing is sent yet."""
        remote = [deployment for deployment in self._store.deployments.all() if deployment.is_remote]
        for deployment in remote:
            self._transports[deployment.id] = HttpTransport(
                deployment.address, deployment.headers, http1=deployment.http1
            )
        return remote

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

    def _keep(self, deployment: Deployment, transport: Transport) -> None:
        self._store.transact(lambda: self._store.deployments.put(deployment))
        self._transports[deployment.id] = transport
