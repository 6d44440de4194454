"""`restate state` (get, edit, clear), `restate sql`, and `restate services status`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invocation_client import InvocationClient, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def state(client: InvocationClient, key: str) -> dict[str, str]:
    rows = await client.query(
        f"SELECT key, value_utf8 FROM state WHERE service_name = 'Counter' AND service_key = '{key}'"
    )
    return {row["key"]: row["value_utf8"] for row in rows}


async def test_state_is_read(cli, client) -> None:
    await client.call("/Counter/read/add", 5)
    seen = cli("state", "get", "Counter", "read")
    assert [line for line in seen.lines if line][2:] == [
        "Service Counter",
        "Key read",
        "KEY VALUE",
        "value 5",
    ]
    plain = cli("state", "get", "Counter", "read", "--plain")
    assert json.loads("".join(plain.lines)) == {"value": 5}


async def test_state_is_edited(cli, client, tmp_path: Path) -> None:
    await client.call("/Counter/edited/add", 5)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/5/41/' \"$1\"\n")
    editor.chmod(0o755)
    edited = cli("state", "edit", "Counter", "edited", EDITOR=str(editor))
    assert edited.exit_code == 0, edited
    assert "value 41" in edited

    async def written() -> bool:
        return await state(client, "edited") == {"value": "41"}

    await until(written)
    assert await client.call("/Counter/edited/add", 1) == 42


async def test_state_is_cleared(cli, client) -> None:
    await client.call("/Counter/cleared/add", 5)
    cleared = cli("state", "clear", "Counter/cleared")
    assert "Counter/cleared [value]" in cleared
    assert "Enqueued successfully for processing" in cleared

    async def empty() -> bool:
        return await state(client, "cleared") == {}

    await until(empty)
    again = cli("state", "clear", "Counter/cleared")
    assert (again.exit_code, "No state found!" in again.errors) == (1, True)


async def test_sql_as_a_table_as_json_and_as_an_error(cli, client) -> None:
    await client.call("/Counter/asked/add", 5)
    query = "select service_name, key, value_utf8 from state where service_key = 'asked'"
    table = cli("sql", query)
    assert table.table("SERVICE_NAME") == [["Counter", "value", "5"]]
    assert "1 rows." in table.errors
    rows = json.loads("".join(cli("sql", "--json", query).lines))
    assert rows == [{"service_name": "Counter", "key": "value", "value_utf8": "5"}]

    wrong = cli("sql", "select nonsense from state")
    assert wrong.exit_code == 1
    assert "No field named nonsense" in wrong.errors


async def test_the_status_of_a_service_counts_its_invocations(cli, client) -> None:
    fails = await client.send("/Greeter/fail")
    await client.until_status(fails, "backing-off")
    said = cli("services", "status", "Greeter")
    assert said.exit_code == 0
    [row] = [line.split() for line in said.lines if line.startswith("fail ")]
    assert row[:7] == ["fail", "-", "-", "-", "-", "1", "-"], "backing off: one"
    assert fails in "\n".join(said.lines)
    await client.act("kill", fails)
