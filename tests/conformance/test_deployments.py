"""The admin API's deployments and services, as far as both engines say the same."""

from __future__ import annotations

import pytest
from free_port import free_port
from invocation_client import InvocationClient
from served_engine import Served

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
