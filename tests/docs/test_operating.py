"""The guides to the engine, its admin API, its SQL and its web UI: their commands, with what they show."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from page_shell import PageShell
from page_words import ADMIN, INGRESS
from pages import page

OPERATING = page("docs/guide/operating.md", "cors vacuum backup attach answer")
ADMIN_API = page("docs/guide/admin-api.md", "restate identity")
SQL = page("docs/guide/sql.md", "ask")
UI = page("docs/guide/ui.md", "up alone")


@pytest.fixture(autouse=True)
def _agent(shell: PageShell) -> None:
    shutil.copy(Path(__file__).with_name("waiting_agent.py"), shell.folder / "agent.py")


def test_pages_of_one_origin_data_that_is_copied_and_made_small(shell: PageShell) -> None:
    shell.run(OPERATING.cors)
    allowed = shell.do("curl -i localhost:8080/restate/health -H 'origin: http://localhost:5173'")
    assert "access-control-allow-origin: http://localhost:5173" in allowed.lower()
    (shell.folder / "backups").mkdir()
    shell.words.known["/backups"] = str(shell.folder / "backups")
    shell.run(OPERATING.backup)
    shell.stop(INGRESS)
    shell.run(OPERATING.vacuum)


def test_results_are_fetched_and_what_waits_is_answered(shell: PageShell) -> None:
    shell.do("perdure up agent.py")
    shell.do("curl localhost:8080/Agent/run --json '\"Hello\"' -H 'idempotency-key: my-key'")
    shell.do("perdure invocations list")
    assert [json.loads(each) for each in shell.run(OPERATING.attach)] == ["Hello"] * 3

    asks = json.loads(shell.do("curl -X POST localhost:8080/Agent/ask/send"))["invocationId"]
    shell.until(f"perdure invocations describe {asks}", "sign_1")
    shell.do("curl -X POST localhost:8080/Signup/ada/run_signup/send")
    waits = json.loads(shell.do("curl -X POST localhost:8080/Agent/wait/send"))["invocationId"]
    shell.run(OPERATING.answer)
    assert shell.do(f"curl localhost:8080/restate/attach/{asks}") == '"yes"'
    assert shell.do("curl localhost:8080/restate/workflow/Signup/ada/attach") == '"yes"'
    assert "not today" in shell.do(f"curl localhost:8080/restate/attach/{waits}", code=22)


@pytest.mark.restate
def test_the_restate_command_line_registers_and_asks(shell: PageShell) -> None:
    shell.do("perdure engine")
    shell.do("perdure serve agent.py")
    _, registered, _ = shell.run(ADMIN_API.restate)
    assert "Signup" in registered
    _, rows = shell.run(SQL.ask)
    assert json.loads(rows)["rows"] == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_an_engine_signs_its_requests(shell: PageShell) -> None:
    shell.run(ADMIN_API.identity)


def test_the_ui_stands_in_the_engine_and_alone(shell: PageShell) -> None:
    shell.run(UI.up)
    shell.words.known["engine.internal:9070"] = shell.address(ADMIN)
    shell.run(UI.alone)
    assert "Agent/run" in shell.do("curl localhost:9071/ui/playground")
