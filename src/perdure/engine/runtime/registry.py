"""Deployments: how they come, and how to reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from perdure.engine.core.model import Invocation
from perdure.engine.runtime.service_revisions import check_names, check_types, revisions
from perdure.engine.storage.deployments import Deployment
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.engine.transport.http import HttpTransport
from perdure.engine.transport.port import Transport
from perdure.errors import DeploymentUnavailable, DiscoveryFailed, RequestError
from perdure.protocol.discovery import HandlerOptions, Manifest, decode_manifest
from perdure.protocol.ids import deployment_id

if TYPE_CHECKING:
    from perdure.engine.transport.request_identity import RequestIdentity


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person asks for. `breaking` lets a service change its type; `force` that, and overwrites what is
    known at the address. A `dry_run` looks, and keeps nothing."""

    uri: str
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    http1: bool = False
    breaking: bool = False
    force: bool = False
    dry_run: bool = False


class Outcome(StrEnum):
    """What a registration came to."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    OVERWRITTEN = "overwritten"


class Registry:
    """Which transport an invocation's attempts use."""

    def __init__(
        self, store: SqliteStore, clock_ms: Callable[[], int], identity: RequestIdentity | None = None
    ) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._identity = identity
        self._transports: dict[str, Transport] = {}

    @property
    def public_key(self) -> str | None:
        """By which a remote deployment knows our requests; None when they are not signed."""
        return self._identity.public_key if self._identity is not None else None

    async def register_app(self, transport: Transport, name: str) -> Deployment:
        """Keep an app of this process, in place of an earlier one of that name. Raises DiscoveryFailed."""
        address = f"in-process:{name}"
        manifest_json, sdk_version = await transport.discover()
        manifest = decode_manifest(manifest_json)
        try:
            check_names(manifest)
        except RequestError as error:
            raise DiscoveryFailed(error.message) from error
        # A changed manifest is another deployment: what was pinned to the old one says so.
        identity = deployment_id(address, manifest_json.decode())
        known = self._store.deployments.get(identity)
        deployment = known or Deployment(identity, address, manifest, manifest_json, self._clock_ms())
        numbers = revisions(identity, manifest, self._store.deployments)
        self._keep(replace(deployment, revisions=numbers, sdk_version=sdk_version), transport)
        for other in self._store.deployments.all():
            if other.address == address and other.id != identity:
                self._disconnect(other.id)
        return deployment

    async def register_remote(self, asked: Registration) -> tuple[Deployment, Outcome]:
        """Discover the deployment at a URI and keep it.

        One at a known URI is left as it is, unless forced: deployments are immutable. Raises DiscoveryFailed,
        and RequestError: 400 for a reserved name, 409 for a service whose type changes.
        """
        if not asked.force and (known := self._at(asked.uri)) is not None:
            return known, Outcome.UNCHANGED
        transport = self._transport(asked.uri, asked.headers, asked.http1)
        manifest_json, sdk_version = await transport.discover()
        manifest = decode_manifest(manifest_json)
        check_names(manifest)
        # Looked up after the last await: two registrations of one URI may run at the same time.
        known = self._at(asked.uri)
        if known is not None and not asked.force:
            return known, Outcome.UNCHANGED
        if not (asked.breaking or asked.force):
            check_types(manifest, self._store.deployments)
        now_ms = self._clock_ms()
        identity = known.id if known is not None else self._new_id(asked.uri, now_ms)
        deployment = Deployment(
            id=identity,
            address=asked.uri,
            manifest=manifest,
            manifest_json=manifest_json,
            created_at_ms=now_ms,
            headers=asked.headers,
            http1=asked.http1,
            revisions=revisions("" if known else identity, manifest, self._store.deployments),
            metadata=asked.metadata,
            sdk_version=sdk_version,
        )
        if not asked.dry_run:
            self._keep(deployment, transport)
        return deployment, Outcome.CREATED if known is None else Outcome.OVERWRITTEN

    async def update(
        self,
        identity: str,
        *,
        uri: str | None,
        headers: Mapping[str, str] | None,
        http1: bool | None,
        overwrite: bool,
        dry_run: bool,
    ) -> Deployment:
        """Reach a remote deployment at another address, or otherwise; its services stay as they are known,
        unless they are to be overwritten with what is found there. None: as it was.

        Raises DiscoveryFailed, and RequestError: 404 for an unknown one, 400 for one that has no address or
        speaks other versions of the protocol there.
        """
        known = self._get(identity)
        if not known.is_remote:
            raise RequestError(
                400, f"deployment {identity} runs in this process: it has no address to change"
            )
        moved = replace(
            known,
            address=known.address if uri is None else uri,
            headers=known.headers if headers is None else headers,
            http1=known.http1 if http1 is None else http1,
        )
        transport = self._transport(moved.address, moved.headers, moved.http1)
        manifest_json, sdk_version = await transport.discover()
        manifest = decode_manifest(manifest_json, known.set_options)
        if _versions(manifest) != _versions(known.manifest):
            raise RequestError(
                400,
                f"{moved.address} speaks service protocol {_versions(manifest)}, and deployment {identity} "
                f"{_versions(known.manifest)}: register it as a new deployment",
                "META0016",
            )
        moved = replace(moved, sdk_version=sdk_version)
        if overwrite:
            check_names(manifest)
            numbers = {name: known.revisions.get(name, 1) for name in manifest.services}
            moved = replace(moved, manifest=manifest, manifest_json=manifest_json, revisions=numbers)
        if not dry_run:
            self._get(identity)  # it may have been deleted while we looked
            self._store.transact(partial(self._store.deployments.replace, moved))
            self._transports[identity] = transport
        return moved

    def set_options(self, identity: str, service: str, options: HandlerOptions) -> Deployment:
        """Set options of a service as this deployment has it; they stand until they are set anew, or until a
        newer deployment brings the service. Raises RequestError(404)."""
        known = self._get(identity)
        said = {**known.set_options, service: options.over(known.set_options.get(service, HandlerOptions()))}
        manifest = decode_manifest(known.manifest_json, said)
        changed = replace(known, manifest=manifest, set_options=said)
        self._store.transact(partial(self._store.deployments.replace, changed))
        return changed

    def delete(self, identity: str) -> None:
        """Forget a deployment. What is pinned to it waits until it is resumed on another one.

        Raises RequestError(404).
        """
        self._get(identity)
        self._store.transact(partial(self._store.deployments.delete, identity))
        self._disconnect(identity)

    def connect(self) -> list[Deployment]:
        """The remote deployments that an earlier life of the engine registered; nothing is sent yet."""
        remote = [deployment for deployment in self._store.deployments.all() if deployment.is_remote]
        for known in remote:
            self._store.deployments.served.add(known.id)
            self._transports[known.id] = self._transport(known.address, known.headers, known.http1)
        return remote

    def endpoint(self, invocation: Invocation) -> tuple[Transport, Manifest]:
        """Where the invocation runs: its own deployment, for code is not exchanged under one that has begun.

        Only what ran in this process goes on with the newest deployment of its service once its own code is
        gone, for nobody else has that code: what cannot be replayed there fails with a journal mismatch,
        which says so. Raises DeploymentUnavailable.
        """
        service, pinned = invocation.target.service, invocation.deployment_id
        own = self._store.deployments.get(pinned) if pinned is not None else None
        if own is not None and own.id in self._transports:
            return self._transports[own.id], own.manifest
        if own is None and pinned is not None:
            raise DeploymentUnavailable(
                f"deployment {pinned}, on which this invocation runs, was removed: "
                "resume it on another one (resume?deployment=latest), or kill it"
            )
        for deployment in reversed(self._store.deployments.all()):
            if service in deployment.manifest.services and deployment.id in self._transports:
                return self._transports[deployment.id], deployment.manifest
        raise DeploymentUnavailable(f"no deployment serves {service}: start the engine with its app")

    def _get(self, identity: str) -> Deployment:
        deployment = self._store.deployments.get(identity)
        if deployment is None:
            raise RequestError(404, f"deployment '{identity}' not found")
        return deployment

    def _at(self, uri: str) -> Deployment | None:
        """The newest at an address: updates may have brought two to the same one."""
        for deployment in reversed(self._store.deployments.all()):
            if deployment.address.rstrip("/") == uri.rstrip("/"):
                return deployment
        return None

    def _new_id(self, uri: str, now_ms: int) -> str:
        """Ids are never used twice: what was pinned to a deleted deployment must not run on its successor."""
        while self._store.deployments.get(identity := deployment_id(uri, str(now_ms))) is not None:
            now_ms += 1
        return identity

    def _transport(self, uri: str, headers: Mapping[str, str], http1: bool) -> HttpTransport:
        return HttpTransport(uri, headers, http1=http1, identity=self._identity)

    def _disconnect(self, identity: str) -> None:
        self._store.deployments.served.discard(identity)
        self._transports.pop(identity, None)

    def _keep(self, deployment: Deployment, transport: Transport) -> None:
        self._store.transact(partial(self._store.deployments.put, deployment))
        self._store.deployments.served.add(deployment.id)
        self._transports[deployment.id] = transport


def _versions(manifest: Manifest) -> str:
    return f"{manifest.protocol_version_min} to {manifest.protocol_version_max}"
