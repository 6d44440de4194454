"""`perdure up --reload`: a developer saves, and the runs in flight go on with what was saved."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from embedded_engine import EmbeddedEngine

AGENT = """
import asyncio
from pathlib import Path

import restate
from words import WORD

HERE = Path(__file__).parent

agent = restate.Service("Agent")


@agent.handler()
async def work(ctx: restate.Context) -> str:
    async def pay() -> str:
        with open(HERE / "paid", "a") as paid:
            paid.write("began ")
        while not (HERE / "may-end").exists():
            await asyncio.sleep(0.02)
        with open(HERE / "paid", "a") as paid:
            paid.write("ended ")
        return WORD

    paid = await ctx.run_typed("pay", pay)
    awakeable, answer = ctx.awakeable(type_hint=str)
    (HERE / "asked").write_text(awakeable)
    return f"{paid} {await answer} {WORD}"


@agent.handler()
async def say(ctx: restate.Context) -> str:
    return WORD


app = restate.app([agent])
"""


class Developer:
    """Who edits the files of a running `perdure up agent.py --reload`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = EmbeddedEngine(str(folder / "agent.py"), folder)
        self.engine.process.command.append("--reload")
        self._heard = 0

    def save(self, old: str = "", new: str = "") -> None:
        (self.folder / "agent.py").write_text(AGENT.replace(old, new) if old else AGENT)

    def save_word(self, word: str) -> None:
        (self.folder / "words.py").write_text(f"WORD = {word!r}\n")

    def hears(self, text: str) -> str:
        """Waits until it says so, and returns the lines that are new since it was last heard."""
        deadline = time.monotonic() + 20
        while text not in (news := self._output()[self._heard :]):
            assert self.engine.process.alive, self._output()
            assert time.monotonic() < deadline, f"no {text!r}:\n{self._output()}"
            time.sleep(0.02)
        self._heard += len(news)
        return news

    def _output(self) -> str:
        log = self.engine.process.log_path
        return log.read_text() if log.exists() else ""

    def call(self, handler: str = "say") -> Any:
        return httpx2.post(f"{self.engine.ingress_url}/Agent/{handler}", timeout=30).json()

    def send(self, handler: str) -> str:
        answer = httpx2.post(f"{self.engine.ingress_url}/Agent/{handler}/send")
        return str(answer.json()["invocationId"])

    def answer(self) -> None:
        """Give `work` what it waits for."""
        awakeable = self.wait_for("asked", "sign_")
        url = f"{self.engine.ingress_url}/restate/awakeables/{awakeable}/resolve"
        assert httpx2.post(url, json="yes").is_success

    def attach(self, invocation_id: str) -> Any:
        url = f"{self.engine.ingress_url}/restate/invocation/{invocation_id}/attach"
        return httpx2.get(url, timeout=30).json()

    def wait_until(self, invocation_id: str, field: str, starts_with: str) -> None:
        deadline = time.monotonic() + 20
        while not str((seen := self.invocation(invocation_id)).get(field)).startswith(starts_with):
            assert time.monotonic() < deadline, f"{seen}"
            time.sleep(0.05)

    def invocation(self, invocation_id: str) -> Any:
        return httpx2.get(f"{self.engine.admin_url}/invocations/{invocation_id}").json()

    def wait_for(self, name: str, text: str) -> str:
        """What the handler has written to a file, once it has this text."""
        file, deadline = self.folder / name, time.monotonic() + 20
        while not file.exists() or text not in file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return file.read_text()


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Developer]:
    developer = Developer(tmp_path_factory.mktemp("agent"))
    developer.save_word("one")
    developer.save()
    asyncio.run(developer.engine.start())
    developer.hears("try ")
    yield developer
    developer.engine.kill()


@pytest.fixture
def developer(at_work: Developer) -> Iterator[Developer]:
    """One engine for all tests; each finds the code as it was."""
    yield at_work
    for name in ("paid", "asked", "may-end"):
        (at_work.folder / name).unlink(missing_ok=True)
    at_work.hears("")
    at_work.save_word("one")
    at_work.save()
    at_work.hears("reloaded in")


def test_a_step_that_runs_is_paid_once_and_the_run_goes_on_with_the_new_code(developer: Developer) -> None:
    invocation = developer.send("work")
    developer.wait_for("paid", "began")
    developer.save_word("two")
    assert "1 invocation in flight" in developer.hears("reloaded in ")
    (developer.folder / "may-end").touch()
    developer.wait_until(invocation, "attempt", "2")
    developer.answer()
    assert developer.attach(invocation) == "one yes two"
    assert developer.wait_for("paid", "ended") == "began ended "
    assert developer.invocation(invocation).get("last_failure") is None


def test_saves_in_one_second_and_under_load_lose_no_request(developer: Developer) -> None:
    async def scenario() -> list[Any]:
        answers: list[Any] = []
        done = asyncio.Event()

        async def ask(client: httpx2.AsyncClient) -> None:
            while not done.is_set():
                answers.append((await client.post(f"{developer.engine.ingress_url}/Agent/say")).json())

        async with httpx2.AsyncClient(timeout=30) as client:
            asking = [asyncio.create_task(ask(client)) for _ in range(4)]
            for word in ("two", "six", "ten"):  # of one length: bytecode cannot tell them apart
                developer.save_word(word)
                await asyncio.sleep(0.2)
            await asyncio.to_thread(developer.hears, "reloaded in")
            done.set()
            await asyncio.gather(*asking)
        return answers

    answers = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert set(answers) <= {"one", "two", "six", "ten"}
    while developer.call() != "ten":
        developer.hears("reloaded in")


def test_what_cannot_be_loaded_is_one_line_and_the_code_of_before_goes_on(developer: Developer) -> None:
    developer.save("async def say", "async def say(")
    line = developer.hears("the code of before goes on")
    assert "agent.py:31 is not valid Python: " in line
    assert line.count("\n") == 1
    assert developer.call() == "one"

    developer.save('restate.Service("Agent")', 'restate.Service("Agent"')
    developer.hears("the code of before goes on")
    developer.save("app = restate", "import time; time.sleep(600)\napp = restate")  # loads for ever
    time.sleep(0.5)  # not for luck: for two saves, and not one
    developer.save("return WORD\n\n\napp", "return 'mended'\n\n\napp")
    developer.hears("reloaded in")
    assert developer.call() == "mended"


def test_a_run_that_the_new_code_cannot_replay_says_so_and_goes_on_with_code_that_fits(
    developer: Developer,
) -> None:
    (developer.folder / "may-end").touch()
    invocation = developer.send("work")
    developer.wait_for("asked", "sign_")
    developer.save('"pay"', '"buy"')
    developer.hears("reloaded in")
    developer.wait_until(invocation, "status", "suspended")  # the old code has let go of it
    developer.answer()
    developer.wait_until(invocation, "last_failure", "[570]")
    developer.save()
    developer.hears("reloaded in")
    assert developer.attach(invocation) == "one yes one"


def test_a_handler_that_is_new_can_be_called_and_what_began_before_goes_on(developer: Developer) -> None:
    (developer.folder / "may-end").touch()
    invocation = developer.send("work")
    developer.wait_for("asked", "sign_")
    developer.save("async def say", "async def speak")  # another manifest: another deployment
    developer.hears("reloaded in")
    assert developer.call("speak") == "one"
    assert developer.call("say")["code"] == 404
    developer.wait_until(invocation, "status", "suspended")  # the old code has let go of it
    developer.answer()
    assert developer.attach(invocation) == "one yes one"


def test_handlers_that_die_are_told_of_and_come_back_with_the_next_save(developer: Developer) -> None:
    developer.save("return WORD\n\n\napp", "import os; os._exit(7)\n\n\napp")
    developer.hears("reloaded in")
    invocation = developer.send("say")
    assert "waiting for the next save" in developer.hears("the process of the handlers ended")
    developer.save()
    developer.hears("reloaded in")
    assert developer.attach(invocation) == "one"


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
def test_it_may_start_with_code_that_cannot_be_loaded_and_leaves_nothing_behind(
    tmp_path: Path, with_signal: signal.Signals
) -> None:
    developer = Developer(tmp_path)
    (tmp_path / "agent.py").write_text("1 / 0\n")
    asyncio.run(developer.engine.start())
    try:
        said = developer.hears("waiting for the next save")
        assert "agent.py:1: ZeroDivisionError: division by zero; waiting" in said.splitlines()[0]
        developer.save_word("one")
        developer.save("return WORD\n\n\napp", "import os; return str(os.getpid())\n\n\napp")
        developer.hears("try ")
        handlers = int(developer.call())
        developer.send("work")
        developer.wait_for("paid", "began")

        os.kill(developer.engine.process.pid, with_signal)
        deadline = time.monotonic() + 20
        while developer.engine.process.alive or is_alive(handlers):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        developer.engine.kill()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
