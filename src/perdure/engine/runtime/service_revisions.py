"""What a new deployment means for the services that are deployed already."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.engine.storage.deployments import Deployments
from perdure.errors import RequestError
from perdure.protocol.discovery import Manifest


def check_names(manifest: Manifest) -> None:
    """Raises RequestError(400) for a name that the engine's own paths need."""
    for name in manifest.services:
        if name.lower().startswith("restate") or name.lower() == "openapi":
            raise RequestError(
                400,
                f"service '{name}' has a reserved name: call it neither openapi nor restate...",
                "META0005",
            )


def check_types(manifest: Manifest, deployed: Deployments) -> None:
    """Raises RequestError(409) for a service whose type changes: its state would be lost from sight."""
    for name, service in manifest.services.items():
        active = deployed.of_service(name)
        if active is not None and active[1].kind != service.kind:
            raise RequestError(
                409,
                f"service '{name}' is a {_spelt(active[1].kind)} in deployment {active[0].id}, and a "
                f"{_spelt(service.kind)} in the new one: rename it, or register with breaking or force",
                "META0006",
            )


def revisions(deployment_id: str, manifest: Manifest, deployed: Deployments) -> Mapping[str, int]:
    """The number of each service's revision, when this deployment becomes the newest.

    Numbers grow by one with each deployment that brings the service. The one that is the newest already (the
    app of this process, say, which is registered at each start) keeps its number.
    """
    numbers: dict[str, int] = {}
    for name in manifest.services:
        active = deployed.of_service(name)
        if active is None:
            numbers[name] = 1
        else:
            number = active[0].revisions.get(name, 1)
            numbers[name] = number if active[0].id == deployment_id else number + 1
    return numbers


def _spelt(kind: str) -> str:
    return kind.replace("_", " ").lower()
