"""The deployments that a file remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perdure.engine.storage.deployments import Deployment
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import StoreFailed
from perdure.protocol.discovery import HandlerOptions, decode_manifest

MANIFEST = json.dumps(
    {
        "protocolMode": "REQUEST_RESPONSE",
        "minProtocolVersion": 1,
        "maxProtocolVersion": 9,
        "services": [
            {
                "name": "S",
                "ty": "SERVICE",
                "abortTimeout": 7000,
                "inactivityTimeout": 1000,
                "handlers": [{"name": "h"}, {"name": "own", "inactivityTimeout": 5000}],
            }
        ],
    }
).encode()


def deployment(name: str, **more: object) -> Deployment:
    return replace(Deployment(name, f"http://{name}/", decode_manifest(MANIFEST), MANIFEST, 1), **more)  # type: ignore[arg-type]


def test_all_of_a_deployment_comes_back(tmp_path: Path) -> None:
    options = {"S": HandlerOptions(inactivity_timeout_ms=2000, ingress_private=True)}
    given = deployment(
        "dp_a",
        manifest=decode_manifest(MANIFEST, options),
        headers={"x": "y"},
        http1=True,
        revisions={"S": 3},
        set_options=options,
        metadata={"by": "hand"},
        sdk_version="sdk/1",
    )
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.deployments.put(given))
    with SqliteStore.open(tmp_path) as store:
        assert store.deployments.all() == [given]
        manifest = store.deployments.all()[0].manifest
        assert (manifest.protocol_version_min, manifest.protocol_version_max) == (1, 9)


def test_options_that_a_person_sets_stand_where_the_handler_says_nothing() -> None:
    manifest = decode_manifest(MANIFEST, {"S": HandlerOptions(inactivity_timeout_ms=2000)})
    service = manifest.services["S"]
    assert service.options.inactivity_timeout_ms == 2000
    assert service.handlers["h"].options.inactivity_timeout_ms == 2000
    assert service.handlers["h"].options.abort_timeout_ms == 7000
    assert service.handlers["own"].options.inactivity_timeout_ms == 5000


def test_a_replaced_one_stays_as_old_as_it_was_and_a_put_one_is_the_newest(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path) as store:
        for name in ("dp_a", "dp_b"):
            store.transact(lambda name=name: store.deployments.put(deployment(name)))  # type: ignore[misc]
        store.transact(lambda: store.deployments.replace(deployment("dp_a", http1=True)))
        assert store.deployment_of("S") == "dp_b"
    with SqliteStore.open(tmp_path) as store:
        assert [(d.id, d.http1) for d in store.deployments.all()] == [("dp_a", True), ("dp_b", False)]
        store.transact(lambda: store.deployments.put(deployment("dp_a")))
        assert store.deployment_of("S") == "dp_a"
        store.transact(lambda: store.deployments.delete("dp_a"))
        assert store.deployment_of("S") == "dp_b"
    with SqliteStore.open(tmp_path) as store:
        assert [d.id for d in store.deployments.all()] == ["dp_b"]


def test_a_rollback_brings_a_deleted_one_back(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path) as store:
        store.transact(lambda: store.deployments.put(deployment("dp_a")))

        def work() -> None:
            store.deployments.delete("dp_a")
            raise StoreFailed("no")

        with pytest.raises(StoreFailed):
            store.transact(work)
        assert store.deployments.get("dp_a") == deployment("dp_a")


def test_new_invocations_go_to_the_newest_that_is_served(tmp_path: Path) -> None:
    """An app that ran in an earlier process is kept, and nobody can reach it now."""
    with SqliteStore.open(tmp_path) as store:
        for name in ("dp_old", "dp_remote", "dp_app_of_yesterday"):
            store.transact(lambda name=name: store.deployments.put(deployment(name)))  # type: ignore[misc]
        assert store.deployment_of("S") == "dp_app_of_yesterday", "nothing is served yet: say what there is"
        store.deployments.served.update(("dp_old", "dp_remote"))
        assert store.deployment_of("S") == "dp_remote"
        assert store.deployment_of("Other") is None
