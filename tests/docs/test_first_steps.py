"""The README and the quickstart: what a new user types, from the installation to the first kill.

`make` only says what it would do, for its targets take minutes. Agents ask a model of this machine, and the
README's tool asks a weather service of this machine.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import restate
from agents import Agent, function_tool
from app_in_thread import served_by_thread
from attentive_model import AttentiveModel
from child_process import fork_server
from page_shell import PageShell, needs_pip
from pages import ROOT, executed, page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from terminal import CTRL_D

from perdure import DurableRunner
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

README = page("README.md", "make agent up see trip streamed curl cluster tested")
QUICKSTART = page("docs/quickstart.md", "install agent up ask see kill")

QUESTION = "What is the weather in Detroit?"
ANSWER = f"{QUESTION} -> {{'temp_C': '22', 'place': 'Detroit'}}"
# pip as it is, but that it takes what it needs from what is installed here, and asks nobody.
OFFLINE = {"PIP_NO_BUILD_ISOLATION": "false", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}


@pytest.fixture
def weather() -> Iterator[tuple[str, str]]:
    """The address of the weather service, in the page and here."""

    async def report(request: Request) -> Response:
        assert request.query_params["format"] == "j1"
        return JSONResponse({"current_condition": [{"temp_C": "22", "place": request.path_params["city"]}]})

    with served_by_thread(Starlette(routes=[Route("/{city}", report)])) as url:
        yield "https://wttr.in", url


@pytest.fixture
def checkout(shell: PageShell) -> Path:
    """The shell's folder, with what a checkout has."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, shell.folder)
    shutil.copytree(ROOT / "src", shell.folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return shell.folder


@needs_pip
def test_the_readme_is_typed_in(
    shell: PageShell, checkout: Path, weather: tuple[str, str], model: AttentiveModel
) -> None:
    shell.run(README.make)
    agent = checkout / "agent.py"
    agent.write_text(README.agent.text.replace(*weather))
    shell.environment |= OFFLINE | {"PIP_TARGET": "elsewhere"}
    *_, answer = shell.run(README.up)
    assert json.loads(answer) == ANSWER
    assert (checkout / "elsewhere" / "perdure" / "ui" / "static").is_dir()

    def waiting_run() -> None:
        model.silent = "Nowhere"
        shell.do("curl localhost:8080/Agent/run/send --json '\"Nowhere\"'")
        assert model.thinks.wait(10)

    _, tree, watched, cancelled = shell.run(README.see, before={"perdure invocations cancel": waiting_run})
    assert "get_weather" in tree
    assert "output" in watched
    assert "accepted" in cancelled

    agent.write_text(agent.read_text().replace(*_handler_and_its_streamed_one()))
    shell.do("perdure up agent.py")
    stream, text, said = shell.run(
        README.curl,
        before={'curl -N "': lambda: shell.do("perdure invocations list --limit 1")},
        typed={"perdure chat": f"{QUESTION}\n{CTRL_D}"},
    )
    assert "event: tool_call\n" in stream
    assert ANSWER in text
    assert ANSWER in said


def _handler_and_its_streamed_one() -> tuple[str, str]:
    """What `run_streamed` is written instead of."""
    plain = README.agent.text
    return plain[plain.index("@service.handler()") : plain.index("\n\napp")], README.streamed.text


@pytest.mark.restate
def test_the_readmes_agent_on_a_restate_server(shell: PageShell, weather: tuple[str, str]) -> None:
    (shell.folder / "agent.py").write_text(README.agent.text.replace(*weather))
    *_, answer = shell.run(README.cluster)
    assert json.loads(answer) == ANSWER


@pytest.mark.timeout(300)  # it makes a virtual environment
def test_the_quickstart_is_typed_in(tmp_path: Path, model: AttentiveModel) -> None:
    """In a virtual environment of its own. What is first started there comes from the wheel."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / ".venv")}))

    def lend_packages() -> None:
        """What perdure depends on is not downloaded."""
        (site / "lent.pth").write_text(sysconfig.get_path("purelib"))

    with PageShell(tmp_path, tmp_path, **model.env, **OFFLINE) as shell:
        shell.words.known = {"path/to/perdure": str(ROOT)}
        shell.run(QUICKSTART.install, before={"pip": lend_packages})
        assert (site / "perdure").is_dir()
        (tmp_path / "agent.py").write_text(QUICKSTART.agent.text)
        shell.run(QUICKSTART.up)
        assert "<html" in shell.do("curl localhost:9070/ui/")
        shell.do(f"export PATH={fork_server().bin}:$PATH")
        (answer,) = shell.run(QUICKSTART.ask)
        assert json.loads(answer) == "How warm is it in Rome? -> It is 21 degrees in Rome."
        _, tree = shell.run(QUICKSTART.see)
        assert tree.count("call LLM") == 2
        assert "temperature" in tree

        model.silent = "Oslo"
        shell.run(QUICKSTART.kill, before={"kill": lambda: model.thinks.wait(10)})
        assert "It is 21 degrees in Oslo." in shell.do(
            "curl localhost:8080/restate/invocation/inv_1.../attach"
        )


@pytest.mark.anyio
async def test_the_tool_that_orchestrates_books_a_trip_and_waits_an_hour() -> None:
    done: list[str] = []

    async def book_flight(trip: str) -> str:
        done.append("flight")
        return f"flight to {trip}"

    async def book_hotel(trip: str) -> str:
        done.append("hotel")
        return f"hotel in {trip}"

    async def confirm(flight: str, hotel: str) -> str:
        done.append("confirm")
        return f"{flight}, {hotel}"

    tool, run = README.trip.text.rsplit("\n\nresult = ", 1)
    handler = f"""
service = restate.Service("Travel")

@service.handler()
async def plan(ctx: restate.Context, message: str) -> str:
    return ({run.strip()}).final_output
"""
    travel = executed(
        replace(README.trip, text=tool + handler),
        asyncio=asyncio, restate=restate, function_tool=function_tool, DurableRunner=DurableRunner,
        book_flight=book_flight, book_hotel=book_hotel, confirm=confirm,
    )  # fmt: skip
    model = ScriptedModel([ToolCall("book", {"trip": "Oslo"}), "Booked."])
    travel["agent"] = Agent(name="Travel", model=model, tools=[travel["book"]])
    async with harness(travel["service"]) as h:
        assert await h.call("Travel/plan", "Book Oslo") == "Booked."

    assert sorted(done[:2]) == ["flight", "hotel"]
    assert done[2:] == ["confirm"]


@pytest.mark.anyio
async def test_the_test_of_the_readme_passes() -> None:
    agent = executed(README.agent, README.tested)
    agent["weather"].model = ScriptedModel(["It is 22 degrees in Detroit."])
    await agent["test_the_agent"]()
    agent["weather"].model = ScriptedModel(["I do not know."])
    with pytest.raises(AssertionError):
        await agent["test_the_agent"]()


@pytest.mark.anyio
async def test_the_quickstarts_agent_replays() -> None:
    agent = executed(QUICKSTART.agent)
    agent["weather"].model = ScriptedModel(
        [ToolCall("temperature", {"city": "Rome"}), lambda items: items[-1]["output"]]
    )
    async with harness(agent["app"], always_replay=True) as h:
        assert await h.call("Agent/run", "How warm is it in Rome?") == "It is 21 degrees in Rome."
