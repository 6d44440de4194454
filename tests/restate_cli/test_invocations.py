"""`restate invocations`: look at them, and act on them."""

from __future__ import annotations

import anyio
import pytest
from invocation_client import InvocationClient, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
async def nothing_runs(client: InvocationClient):
    """Each test begins and ends with no unfinished invocation."""
    yield
    for row in await client.query("SELECT id FROM sys_invocation WHERE status != 'completed'"):
        await client.act("kill", row["id"])


async def waiting(client: InvocationClient) -> str:
    """One that has done a step and waits."""
    invocation_id = await client.send("/Greeter/wait")

    async def waits() -> bool:
        return len(await client.query(f"SELECT id FROM sys_journal WHERE id = '{invocation_id}'")) >= 3

    await until(waits)
    return invocation_id


async def gone(client: InvocationClient, invocation_id: str) -> None:
    async def purged() -> bool:
        return await client.query(f"SELECT id FROM sys_invocation WHERE id = '{invocation_id}'") == []

    await until(purged)


async def status(client: InvocationClient, invocation_id: str, *expected: str) -> None:
    with anyio.fail_after(20):
        await client.until_status(invocation_id, *expected)


async def test_list_shows_what_is_unfinished(cli, client) -> None:
    waits = await waiting(client)
    fails = await client.send("/Greeter/fail")
    await status(client, fails, "backing-off")
    done = (await client.post("/Greeter/greet", "x")).headers["x-restate-id"]

    listed = cli("invocations", "list")
    assert listed.exit_code == 0
    text = "\n".join(listed.lines)
    assert waits in text
    assert fails in text
    assert done not in text
    assert "Target: Greeter/fail" in listed
    assert "ValueError('no such luck')" in text

    assert done in "\n".join(cli("invocations", "list", "--all").lines)
    only = "\n".join(cli("invocations", "list", "--status", "backing-off").lines)
    assert fails in only
    assert waits not in only
    assert cli("invocations", "list", "--service", "Counter").lines == []


async def test_describe_shows_how_far_it_has_come(cli, client) -> None:
    waits = await waiting(client)
    described = cli("invocations", "describe", waits)
    assert described.exit_code == 0, described
    assert "Target: Greeter/wait" in described
    assert "[Ingress]" in described
    assert "└──(this)─> Greeter/wait" in described
    entries = [line.partition("] ")[2] for line in described.lines if "#" in line]
    assert entries == ["Command: Input", "Command: Run [look up]", "Notification: Run"]

    unknown = cli("invocations", "describe", "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz")
    assert unknown.exit_code == 1
    assert "not found" in unknown.errors


async def test_cancel_and_kill(cli, client) -> None:
    one, other = await waiting(client), await waiting(client)
    cancelled = cli("invocations", "cancel", one)
    assert cancelled.table("ID") == [[one, "Greeter/wait"]]
    assert "[OK]: Cancelled 1 invocations" in cancelled
    answer = await client.attach(one)
    assert answer.status_code == 409

    killed = cli("invocations", "kill", "Greeter/wait")
    assert killed.table("ID") == [[other, "Greeter/wait"]]
    assert "[OK]: Killed 1 invocations" in killed
    assert (await client.attach(other)).status_code == 409

    nothing = cli("invocations", "kill", other)
    assert nothing.exit_code == 1
    assert f"No invocations found for query {other}!" in nothing.errors


async def test_pause_and_resume(cli, client) -> None:
    waits = await waiting(client)
    assert "[OK]: Paused 1 invocations" in cli("invocations", "pause", waits)
    await status(client, waits, "paused")
    listed = "\n".join(cli("invocations", "list", "--status", "paused").lines)
    assert waits in listed
    assert "[OK]: Resumed 1 invocations" in cli("invocations", "resume", waits)
    await status(client, waits, "running", "suspended")


async def test_resume_on_the_latest_deployment(cli, client) -> None:
    waits = await waiting(client)
    cli("invocations", "pause", waits)
    await status(client, waits, "paused")
    assert "[OK]: Resumed 1 invocations" in cli("invocations", "resume", waits, "--deployment", "latest")
    await status(client, waits, "running", "suspended")


async def test_purge_and_restart_as_new(cli, client) -> None:
    done = (await client.post("/Greeter/greet", "x")).headers["x-restate-id"]
    restarted = cli("invocations", "restart-as-new", done)
    assert "[OK]: Restarted 1 invocations:" in restarted
    [[old, new]] = restarted.table("OLD ID")
    assert old == done
    assert await client.result(new) == "hello x"

    assert "[OK]: Purged 1 invocations" in cli("invocations", "purge", done)
    await gone(client, done)
    again = cli("invocations", "purge", done)
    assert again.exit_code == 1
    assert f"No invocations found for query {done}!" in again.errors
