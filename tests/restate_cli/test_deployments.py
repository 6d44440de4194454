"""`restate deployments` and `restate services`: the same words from both engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from invocation_client import InvocationClient
from service_endpoint import ServiceEndpoint

CHANGED = """
import restate

signup = restate.VirtualObject("Signup")

@signup.handler()
async def run(ctx: restate.ObjectContext) -> str:
    return ctx.key()

app = restate.app([signup])
"""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def deployment_id(client: InvocationClient) -> str:
    """Of the newest that serves the greeter."""
    return str((await client.admin.get("/services/Greeter")).json()["deployment_id"])


async def test_list_and_describe(cli, client, pointed) -> None:
    identity = await deployment_id(client)
    listed = cli("deployments", "list")
    [row] = [line for line in listed.lines if identity in line]
    assert row.startswith(f"{pointed.endpoint.url}/ HTTP {identity}")
    assert any("- Greeter [" in line for line in listed.lines)

    described = cli("deployments", "describe", identity)
    assert described.exit_code == 0
    for line in (
        f"ID: {identity}",
        "Transport: HTTP/2.0",
        "Protocol Style: Bidirectional Stream",
        f"Endpoint: {pointed.endpoint.url}/",
        "SDK Version restate-sdk-python/1.3.0",
        "Protocol: [5, 7]",
        "- Greeter",
        "Type: VirtualObject virtual object",
        "greet JSON string JSON string",
        "add JSON integer JSON integer",
    ):
        assert line in described, described.lines


async def test_registering_what_is_known_changes_nothing_and_force_makes_a_revision(
    cli, client, pointed
) -> None:
    identity = await deployment_id(client)
    revision = (await client.admin.get("/services/Greeter")).json()["revision"]
    again = cli("deployments", "register", pointed.endpoint.url)
    assert any(f"Deployment already exists with id {identity}" in line for line in again.lines)

    forced = cli("deployments", "register", pointed.endpoint.url, "--force")
    assert any("SERVICES THAT WILL BE UPDATED:" in line for line in forced.lines)
    assert f"Revision: {revision} -> {revision + 1}" in forced
    assert f"Deployment ID: {identity}" in forced
    assert f"Greeter {revision + 1}" in forced


async def test_a_deployment_at_another_address_replaces_it_and_the_drained_one_is_removed(
    cli, client, pointed
) -> None:
    old = await deployment_id(client)
    elsewhere = pointed.endpoint.url.replace("127.0.0.1", "localhost")
    registered = cli("deployments", "register", elsewhere)
    assert registered.exit_code == 0, registered
    new = await deployment_id(client)
    assert new != old

    active = cli("deployments", "remove", new)
    assert active.exit_code == 1
    assert "Deployment is still Active" in active.errors

    removed = cli("deployments", "remove", old)
    assert removed.exit_code == 0, removed
    assert "Status: Drained" in removed
    assert f"[OK]: Deployment {old} removed successfully" in removed
    assert old not in "".join(cli("deployments", "list").lines)

    cli("deployments", "register", pointed.endpoint.url)  # as it was, for the other tests
    assert cli("deployments", "remove", new).exit_code == 0


async def test_a_service_that_changes_its_type_is_a_breaking_change(
    cli, client, pointed, tmp_path: Path
) -> None:
    (tmp_path / "changed.py").write_text(CHANGED)
    changed = ServiceEndpoint(str(tmp_path / "changed.py"), tmp_path)
    try:
        await changed.start()
        refused = cli("deployments", "register", changed.url)
        assert refused.exit_code == 1
        assert any("Breaking changes detected:" in line for line in refused.lines)
        assert "META0006" in "".join(refused.lines)

        registered = cli("deployments", "register", changed.url, "--breaking")
        assert registered.exit_code == 0, registered
        assert (await client.admin.get("/services/Signup")).json()["ty"] == "VirtualObject"
        identity = (await client.admin.get("/services/Signup")).json()["deployment_id"]
        assert cli("deployments", "remove", identity, "--force").exit_code == 0
    finally:
        changed.kill()
        cli("deployments", "register", pointed.endpoint.url, "--force")  # as it was, for the other tests


async def test_what_nobody_serves_cannot_be_registered(cli) -> None:
    refused = cli("deployments", "register", "http://127.0.0.1:1")
    assert refused.exit_code == 1
    assert "127.0.0.1:1" in refused.errors


# ---- services


async def test_services_are_listed_and_described(cli, client, pointed) -> None:
    identity = await deployment_id(client)
    rows = [line.split() for line in cli("services", "list").lines[1:]]
    assert sorted(row[:2] for row in rows) == [
        ["[public]", name] for name in ("Counter", "Greeter", "Signup")
    ]
    assert all(row[-2:] == ["HTTP", identity] for row in rows)

    described = cli("services", "describe", "Greeter")
    for line in ("Name: Greeter", "Service type: Service", "Public: true", f"Deployment ID: {identity}"):
        assert line in described
    assert sorted(described.table("HANDLER")) == [
        ["fail", "none", "none"],
        ["greet", "JSON", "string", "JSON", "string"],
        ["wait", "none", "JSON", "string"],
    ]


async def test_a_configuration_is_viewed_and_patched(cli) -> None:
    seen = cli("services", "config", "view", "Greeter")
    assert [line for line in seen.lines if line] == [
        "Name: Greeter",
        "Service type: Service",
        "Public: true",
        "Idempotent requests retention: 1d",
        "Journal retention: 1d",
        "Inactivity timeout: 1m",
        "Abort timeout: 10m",
        "Enable lazy state: false",
        "Retry Policy:",
        "Max attempts: 70",
        "On max attempts: Pause",
        "Initial interval: 500ms",
        "Exponentiation factor: 2",
        "Max interval: 1m",
        "Handler 'fail' overrides:",
        "Retry Policy:",
        "Initial interval: 1h",
    ]
    patched = cli(
        "services", "config", "patch", "Counter", "--journal-retention", "2h", "--inactivity-timeout", "90s"
    )
    assert patched.exit_code == 0, patched
    seen = cli("services", "config", "view", "Counter")
    assert "Journal retention: 2h" in seen
    assert "Inactivity timeout: 1m 30s" in seen


async def test_whoami_finds_the_engine_in_good_health(cli, pointed) -> None:
    said = cli("whoami")
    assert said.exit_code == 0
    assert f"[OK]: Admin Service '{pointed.engine.admin_url}/' is healthy!" in said
    assert f"Advertised ingress address {pointed.engine.ingress_url}/" in said


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("subscriptions", "list"), "No subscriptions registered."),
        (("kafka-clusters", "list"), "No Kafka clusters registered."),
        (("rules", "list"), "No rules defined."),
    ],
)
async def test_what_there_is_none_of(cli, command, says) -> None:
    assert says in cli(*command)
