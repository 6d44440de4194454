"""`perdure invocations cancel|kill|pause|resume|restart|purge`: one, several, and all that match."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from child_process import PERDURE
from desk_engine import Command, Desk
from terminal import Terminal

pytestmark = pytest.mark.xdist_group("commands on both engines")


def waiting(desk: Desk, count: int) -> list[str]:
    ids = [desk.send("Agent/wait", "x") for _ in range(count)]
    for each in ids:
        desk.wait_for(each, "running", "suspended")
    return ids


def test_several_at_once_and_each_is_told(desk: Desk, command: Command) -> None:
    first, second = waiting(desk, 2)
    done = command("invocations", "cancel", first, second)
    assert done.code == 0
    assert set(done.out.splitlines()) == {f"cancel of {each} accepted" for each in (first, second)}
    assert "2 accepted, 0 refused" in done.err
    for each in (first, second):
        desk.wait_for(each, "completed")


def test_one_that_is_refused_does_not_keep_the_others(desk: Desk, command: Command) -> None:
    (running,) = waiting(desk, 1)
    ended = desk.call("Agent/nap", 0)
    done = command("invocations", "kill", ended, running, "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert [each["id"] for each in told["succeeded"]] == [running]
    assert [each["id"] for each in told["failed"]] == [ended]
    assert "completed" in told["failed"][0]["error"]
    desk.wait_for(running, "completed")


def test_pause_and_resume(desk: Desk, command: Command) -> None:
    paused = desk.send("Agent/retry", "no luck")
    desk.wait_for(paused, "backing-off", "running")
    assert command("invocations", "pause", paused).code == 0
    desk.wait_for(paused, "paused")
    assert command("invocations", "resume", paused, "--deployment", "latest").code == 0
    desk.wait_for(paused, "backing-off", "running")
    assert command("invocations", "kill", paused).code == 0


def test_restart_prints_the_new_id_and_the_journal_before_an_entry_can_be_kept(
    desk: Desk, command: Command
) -> None:
    greeted = desk.call("Agent/greet", "Ada")
    done = command("invocations", "restart", greeted)
    assert done.code == 0
    again = re.fullmatch(rf"restart of {greeted} is (inv_\w+)\n", done.out)
    assert again is not None
    desk.wait_for(again[1], "completed")
    kept = command("invocations", "restart", greeted, "--from", "1", "--json")
    desk.wait_for(json.loads(kept.out)["succeeded"][0]["new_id"], "completed")
    assert command("invocations", "restart", greeted, again[1], "--from", "1").code == 2


def test_purge_forgets(desk: Desk, command: Command) -> None:
    ended = desk.call("Agent/nap", 0)
    assert command("invocations", "purge", ended).code == 0
    desk.wait_for(ended, None)
    refused = command("invocations", "describe", ended)
    assert refused.code == 1
    assert refused.err.startswith("perdure: ")


def test_all_that_match_are_counted_first_and_need_a_yes(desk: Desk, command: Command) -> None:
    killed = waiting(desk, 3)
    spared = desk.send("Agent/retry", "no luck")
    chosen = ("--service", "Agent", "--handler", "wait", "--since", "1h")
    asked = command("invocations", "kill", *chosen)
    assert asked.code == 2
    found = re.fullmatch(r"perdure: (\d+) invocations match: add --yes to kill them\n", asked.err)
    assert found is not None
    assert int(found[1]) >= 3
    assert desk.status(killed[0]) != "completed"

    done = command("invocations", "kill", *chosen, "--yes")
    assert done.code == 0
    assert {f"kill of {each} accepted" for each in killed} <= set(done.out.splitlines())
    for each in killed:
        desk.wait_for(each, "completed")
    assert desk.status(spared) != "completed"
    assert "no invocation to kill matches" in command("invocations", "kill", *chosen, "--yes").err
    command("invocations", "kill", spared)


def test_on_a_terminal_it_asks(desk: Desk, tmp_path: Path) -> None:
    (spared,) = waiting(desk, 1)
    words = [PERDURE, "invocations", "kill", "--text", spared]
    for answer, code, status in (("n", 1, ("running", "suspended")), ("y", 0, ("completed",))):
        with Terminal(words, tmp_path, {"PERDURE_ADMIN": desk.admin}) as terminal:
            terminal.until("kill 1 invocation? [y/N]: ")
            terminal.type(f"{answer}\n")
            assert terminal.end() == code
        desk.wait_for(spared, *status)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cancel"], "say which: IDs, a filter such as --status or --service, or --all"),
        (["kill", "inv_1", "--service", "Agent"], "say which either by ID or by a filter, not by both"),
        (["purge", "--status", "running"], "purge is for those that are failed, succeeded; not for running"),
        (["cancel", "nonsense"], "'nonsense' is not an invocation id"),
        (["cancel", "--since", "yesterday"], "--since 'yesterday' is no time: write how long ago"),
    ],
)
def test_what_is_not_clear_is_refused_before_anything_happens(
    command: Command, arguments: list[str], told: str
) -> None:
    done = command("invocations", *arguments)
    assert done.code == 2
    assert done.err.startswith(f"perdure: {told}")
    assert done.err.count("\n") == 1
