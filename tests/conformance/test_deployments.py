"""The admin API's deployments and services, as far as both engines say the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from free_port import free_port
from invocation_client import InvocationClient
from served_engine import Served
from service_endpoint import ServiceEndpoint

VERSIONED = str(Path(__file__).with_name("versioned.py"))

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def test_deployments_are_listed_with_their_services(client: InvocationClient, served: Served) -> None:
    listed = (await client.admin.get("/deployments")).json()["deployments"]
    services = {service["name"] for deployment in listed for service in deployment["services"]}
    assert {"Basics", "BasicsReplayed", "Queue", "Signup"} <= services
    assert {d["uri"].rstrip("/") for d in listed} >= {served.endpoint.url, served.replayed.url}
    assert all(d["id"].startswith("dp_1") for d in listed)


async def test_services_are_listed_with_their_handlers(client: InvocationClient) -> None:
    listed = (await client.admin.get("/services")).json()["services"]
    by_name = {service["name"]: service for service in listed}
    assert by_name["Basics"]["ty"] == "Service"
    assert by_name["Queue"]["ty"] == "VirtualObject"
    assert by_name["Signup"]["ty"] == "Workflow"
    kinds = {handler["name"]: handler["ty"] for handler in by_name["Queue"]["handlers"]}
    assert (kinds["remember"], kinds["remembered"]) == ("Exclusive", "Shared")


async def test_registering_a_known_deployment_changes_nothing(
    client: InvocationClient, served: Served
) -> None:
    first = (await client.admin.get("/deployments")).json()["deployments"]
    again = await client.admin.post("/deployments", json={"uri": served.endpoint.url, "force": False})
    assert again.status_code == 200
    assert again.json()["id"] in {deployment["id"] for deployment in first}
    assert len((await client.admin.get("/deployments")).json()["deployments"]) == len(first)


async def test_a_deployment_that_nobody_serves_is_refused(client: InvocationClient) -> None:
    response = await client.admin.post("/deployments", json={"uri": f"http://127.0.0.1:{free_port()}"})
    assert response.status_code >= 400
    assert response.json()["message"]


@pytest.mark.parametrize("body", [{}, {"uri": "nonsense"}, {"uri": 7}])
async def test_a_bad_registration_is_refused(client: InvocationClient, body: dict[str, object]) -> None:
    assert 400 <= (await client.admin.post("/deployments", json=body)).status_code < 500


async def test_a_dry_run_registers_nothing(client: InvocationClient, served: Served) -> None:
    before = (await client.admin.get("/deployments")).json()
    body = {"uri": f"{served.endpoint.url}/", "dry_run": True, "force": True}
    response = await client.admin.post("/deployments", json=body)
    assert response.is_success
    assert {service["name"] for service in response.json()["services"]} >= {"Basics", "Queue"}
    assert (await client.admin.get("/deployments")).json() == before


@pytest.fixture
async def two_versions(
    served: Served, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[ServiceEndpoint]]:
    """Endpoints of `versioned.py`, version 1 and 2, not yet registered."""
    endpoints = [
        ServiceEndpoint(
            VERSIONED,
            tmp_path_factory.mktemp("versioned"),
            env={"VERSION": version, "NOTES_DIRECTORY": str(served.notes)},
        )
        for version in ("1", "2")
    ]
    try:
        async with anyio.create_task_group() as group:
            for endpoint in endpoints:
                group.start_soon(endpoint.start)
        yield endpoints
    finally:
        for endpoint in endpoints:
            endpoint.kill()


async def test_new_invocations_go_to_the_new_version_and_old_ones_end_where_they_began(
    client: InvocationClient, served: Served, two_versions: list[ServiceEndpoint], label: str
) -> None:
    old, new = two_versions
    old_id = await served.engine.register(old.url)
    assert await client.call("/Versioned/version") == 1
    begun_before = await client.send("/Versioned/before_and_after", label)
    [name] = await client.noted(label)

    # In the new version a service has become a virtual object: that is to be meant.
    refused = await client.admin.post(
        "/deployments", json={"uri": new.url, "force": False, "breaking": False}
    )
    assert refused.status_code == 409
    meant = await client.admin.post("/deployments", json={"uri": new.url, "force": False, "breaking": True})
    assert meant.status_code == 201
    assert {s["name"]: s["revision"] for s in meant.json()["services"]} == {"Versioned": 2, "Kind": 2}
    assert await client.call("/Kind/key/what") == 2
    assert await client.call("/Versioned/version") == 2
    assert await client.call("/Versioned/only_in_2") == 2
    assert (await client.post("/Versioned/only_in_1")).status_code == 404

    await client.post(f"/restate/awakeables/{name}/resolve", None)
    assert await client.result(begun_before) == [1, 1]

    # Removed: first the old one, which has no more to do; then the service is gone with the new one.
    for deployment_id in (old_id, meant.json()["id"]):
        assert (await client.admin.delete(f"/deployments/{deployment_id}?force=true")).status_code == 202
    assert (await client.post("/Versioned/version")).status_code == 404


async def test_a_deployment_is_not_removed_by_accident(client: InvocationClient) -> None:
    listed = (await client.admin.get("/deployments")).json()["deployments"]
    refused = await client.admin.delete(f"/deployments/{listed[0]['id']}")
    assert refused.status_code >= 400
    unknown = await client.admin.delete("/deployments/dp_11nGQpCRmau6ypL82KH2TnP?force=true")
    assert unknown.status_code == 404
