"""Every session of the Agents SDK, and users' own: one step an operation, and nothing written twice."""

from __future__ import annotations

import asyncio
import functools
import inspect
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    OpenAIConversationsSession,
    OpenAIResponsesCompactionSession,
    RunConfig,
    Runner,
    Session,
    SessionSettings,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from agents.memory import SessionABC
from free_port import free_port
from openai_server import OpenAIServer

from perdure import DurableRunner, DurableSession
from perdure.openai import durable
from perdure.testing import Harness, harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

Make = Callable[[str], Any]
"""Makes a session with an id, as a handler would: a new object over what was stored."""


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    with OpenAIServer().serving() as server:
        yield server


class ListSession:
    """A user's own, by the protocol alone."""

    session_settings: SessionSettings | None = None

    def __init__(self, session_id: str, stored: dict[str, list[Any]]) -> None:
        self.session_id = session_id
        self._items = stored.setdefault(session_id, [])

    async def get_items(self, limit: int | None = None) -> list[Any]:
        await asyncio.sleep(0.001)  # on the real loop, or it would be a durable sleep of this run
        return list(self._items if limit is None else self._items[max(0, len(self._items) - limit) :])

    async def add_items(self, items: list[Any]) -> None:
        self._items.extend(items)

    async def pop_item(self) -> Any:
        return self._items.pop() if self._items else None

    async def clear_session(self) -> None:
        self._items.clear()


class ListSessionABC(ListSession, SessionABC):
    """The same, derived from the SDK's abstract class."""


def sqlite(tmp_path: Path) -> Make:
    return lambda name: SQLiteSession(name, tmp_path / "s.db")


def advanced_sqlite(tmp_path: Path) -> Make:
    from agents.extensions.memory import AdvancedSQLiteSession

    return lambda name: AdvancedSQLiteSession(session_id=name, db_path=tmp_path / "a.db", create_tables=True)


def async_sqlite(tmp_path: Path) -> Make:
    pytest.importorskip("aiosqlite", reason="needs aiosqlite")
    from agents.extensions.memory import AsyncSQLiteSession

    return lambda name: AsyncSQLiteSession(name, db_path=tmp_path / "s.db")


def sqlalchemy(tmp_path: Path) -> Make:
    pytest.importorskip("sqlalchemy", reason="needs sqlalchemy")
    pytest.importorskip("aiosqlite", reason="needs aiosqlite")
    from agents.extensions.memory import SQLAlchemySession

    url = f"sqlite+aiosqlite:///{tmp_path}/q.db"
    return lambda name: SQLAlchemySession.from_url(name, url=url, create_tables=True)


def encrypted(tmp_path: Path) -> Make:
    pytest.importorskip("cryptography", reason="needs cryptography")
    from agents.extensions.memory import EncryptedSession

    return lambda name: EncryptedSession(name, SQLiteSession(name, tmp_path / "s.db"), "some secret key")


def compaction(tmp_path: Path) -> Make:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9")  # it is not asked
    return lambda name: OpenAIResponsesCompactionSession(
        name, SQLiteSession(name, tmp_path / "s.db"), client=client
    )


def own(_tmp_path: Path) -> Make:
    stored: dict[str, list[Any]] = {}
    return lambda name: ListSession(name, stored)


def own_abc(_tmp_path: Path) -> Make:
    stored: dict[str, list[Any]] = {}
    return lambda name: ListSessionABC(name, stored)


BACKENDS = (sqlite, advanced_sqlite, async_sqlite, sqlalchemy, encrypted, compaction, own, own_abc)


SERVERS = ("redis", "mongodb", "dapr", "conversations")


@pytest.fixture(params=[*BACKENDS, *SERVERS], ids=lambda p: getattr(p, "__name__", p))
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Any] = []

    def noted(make: Make) -> Make:
        return lambda name: made.append(make(name)) or made[-1]  # type: ignore[func-returns-value]

    if request.param == "conversations":
        yield noted(conversations(request.getfixturevalue("openai_server")))
    elif request.param == "redis":
        with redis_server() as url:
            from agents.extensions.memory import RedisSession

            yield noted(lambda name: RedisSession.from_url(name, url=url))
            await close(made)
            made.clear()
    elif request.param == "mongodb":
        pytest.importorskip("secantus", reason="needs the package secantusdb")
        from agents.extensions.memory import MongoDBSession
        from mongodb_server import mongodb_server
        from pymongo import AsyncMongoClient

        with mongodb_server(tmp_path / "mongodb") as url:
            async with AsyncMongoClient(url) as client:  # one a process: it belongs to the loop it is used on
                yield noted(lambda name: MongoDBSession(name, client=client))
    elif request.param == "dapr":
        pytest.importorskip("dapr", reason="needs the package dapr")
        from dapr_sidecar import dapr_sidecar

        with dapr_sidecar() as (address, http_url):
            request.getfixturevalue("monkeypatch").setattr("dapr.conf.settings.DAPR_HTTP_ENDPOINT", http_url)
            from agents.extensions.memory import DaprSession
            from dapr.aio.clients import DaprClient

            async with DaprClient(address) as client:  # one a process: it belongs to the loop it is made on
                yield noted(lambda name: DaprSession(name, state_store_name="s", dapr_client=client))
                made.clear()
    else:
        yield noted(request.param(tmp_path))
    await close(made)


async def close(sessions: list[Any]) -> None:
    """What is left open would be closed by the collector, in the middle of another test."""
    for session in sessions:
        if hasattr(session, "engine"):
            await session.engine.dispose()
        elif hasattr(session, "close"):
            await closed if inspect.isawaitable(closed := session.close()) else None


def conversations(server: OpenAIServer) -> Make:
    client = server.client()  # one a process, as one should

    def make(name: str) -> Any:
        server.conversations.setdefault(f"conv_{name}", [])
        return OpenAIConversationsSession(conversation_id=f"conv_{name}", openai_client=client)

    return make


def redis_server() -> Any:
    pytest.importorskip("redis", reason="needs the package redis")
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("needs redis-server (Debian: apt install redis-server)")
    return _redis_server(binary)


class _redis_server:  # noqa: N801 - a context manager
    def __init__(self, binary: str) -> None:
        self._port = free_port()
        self._process = subprocess.Popen(
            [binary, "--port", str(self._port), "--save", "", "--bind", "127.0.0.1"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                break
        return f"redis://127.0.0.1:{self._port}/0"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@function_tool
async def get_weather(city: str) -> str:
    """The weather."""
    return f"22 degrees in {city}"


def weather_agent() -> Agent[Any]:
    script = ["Hello.", ToolCall("get_weather", {"city": "Rome"}), "22 degrees", "Bye."]
    return Agent(name="Weather", tools=[get_weather], model=ScriptedModel(script))


MESSAGES = ("Hi", "Weather in Rome?", "Bye")


@asynccontextmanager
async def conversing(main: Callable[[], Any], always_replay: bool = True) -> AsyncIterator[Harness]:
    """A handler that runs `main` durably, in a new attempt at every await."""
    service = restate.Service("Agent")

    @service.handler()
    @durable
    async def run(ctx: restate.Context) -> Any:
        return await main()

    async with harness(service, always_replay=always_replay) as h:
        yield h


async def ran(main: Callable[[], Any]) -> Any:
    async with conversing(main) as h:
        return await h.call("Agent/run")


async def steps(main: Callable[[], Any]) -> list[str]:
    async with conversing(main) as h:
        invocation = await h.send("Agent/run")
        await h.attach(invocation)
        journal = await h.journal(invocation)
    return [entry["name"] for entry in journal if entry["entry_type"] == "Command: Run"]


def plain(items: list[Any]) -> list[Any]:
    """Without what a server makes up: ids."""
    return [{key: value for key, value in item.items() if key != "id"} for item in items]


async def conversed(session: Any) -> list[Any]:
    """What the SDK alone would have written."""
    for message in MESSAGES:
        await Runner.run(weather_agent(), message, session=session)
    return plain(await session.get_items())


# ---- every session


async def test_a_conversation_is_the_same_as_without_perdure(make: Make) -> None:
    expected = await conversed(make("theirs"))

    async def main() -> list[str]:
        session = make("ours")  # anew in each attempt, as in a process that was started again
        return [
            str((await Runner.run(weather_agent(), message, session=session)).final_output)
            for message in MESSAGES
        ]

    assert await ran(main) == ["Hello.", "22 degrees", "Bye."]
    assert plain(await make("ours").get_items()) == expected


async def test_a_write_that_died_before_its_record_is_not_made_twice(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of the conversation, one after the other, is cut off right after it took place."""
    expected = await conversed(make("theirs"))
    cls = type(make("ours"))
    add_items, written, cut = cls.add_items, asyncio.Event(), 0

    @functools.wraps(add_items)
    async def dies(self: Any, items: list[Any], **options: Any) -> None:
        nonlocal cut
        await add_items(self, items, **options)
        if self.session_id == make("ours").session_id:
            cut += 1
            written.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(cls, "add_items", dies)

    async def main() -> str:
        session = make("ours")
        for message in MESSAGES:
            result = await Runner.run(weather_agent(), message, session=session)
        return str(result.final_output)

    async with conversing(main, always_replay=False) as h:
        invocation = await h.send("Agent/run")
        answer = asyncio.ensure_future(h.attach(invocation))
        while True:
            await asyncio.wait(
                {waiting := asyncio.ensure_future(written.wait()), answer}, return_when="FIRST_COMPLETED"
            )
            waiting.cancel()
            if not written.is_set():
                break
            written.clear()
            answer.cancel()
            await h.restart()
            answer = asyncio.ensure_future(h.attach(invocation))
        assert await answer == "Bye."
    assert cut > len(MESSAGES)
    assert plain(await make("ours").get_items()) == expected


async def test_an_invocation_may_say_what_the_one_before_it_said(make: Make) -> None:
    if type(make("ours")) is ListSession:
        pytest.skip("a class by the protocol alone is covered where the runner calls it")

    async def main() -> None:
        await make("ours").add_items([{"role": "user", "content": "yes"}])

    await ran(main)
    await ran(main)
    assert len(await make("ours").get_items()) == 2


async def test_code_on_the_loop_uses_a_session_directly(make: Make) -> None:
    async def main() -> Any:
        session = make("ours")
        seen = [len(await session.get_items())]
        await session.add_items([{"role": "user", "content": text} for text in ("a", "b", "c")])
        last = await session.pop_item()
        seen.append(len(await session.get_items()))
        return [seen, last["role"], len(await session.get_items(limit=1))]

    if type(make("ours")) is ListSession:
        pytest.skip("a class by the protocol alone is covered where the runner calls it: the next test")
    assert await ran(main) == [[0, 2], "user", 1]
    assert len(await make("ours").get_items()) == 2
    assert await steps(main) == [
        "session.get_items",
        "session.add_items",
        "session.get_items",  # which one is to be popped
        "session.pop_item",
        "session.get_items",
        "session.get_items",
    ]


async def test_a_session_by_the_protocol_alone_is_journaled_when_the_runner_calls_it() -> None:
    stored: dict[str, list[Any]] = {}

    async def main() -> str:
        session: Session = ListSession("ours", stored)
        return str((await Runner.run(weather_agent(), "Hi", session=session)).final_output)

    assert await steps(main) == ["session.get_items", "session.add_items", "call LLM", "session.add_items"]


# ---- what a replay must put back


async def test_a_conversation_that_the_server_named_is_found_again(openai_server: OpenAIServer) -> None:
    client = openai_server.client()

    async def main() -> str:
        session = OpenAIConversationsSession(openai_client=client)  # it asks for an id when it is first used
        for message in MESSAGES:
            await Runner.run(weather_agent(), message, session=session)
        return session.session_id

    assert [await ran(main)] == list(openai_server.conversations)
    assert len(openai_server.conversations["conv_1"]) == 8


async def test_the_branch_that_was_switched_to_is_still_the_one(tmp_path: Path) -> None:
    make = advanced_sqlite(tmp_path)

    async def main() -> Any:
        session = make("ours")
        for message in MESSAGES[:2]:
            await Runner.run(weather_agent(), message, session=session)
        branch = await session.create_branch_from_turn(2, "other")
        await Runner.run(Agent(name="A", model=ScriptedModel(["Other."])), "And now?", session=session)
        return [
            branch,
            [item.get("content") for item in await session.get_items() if item.get("role") == "user"],
        ]

    assert await ran(main) == ["other", ["Hi", "And now?"]]
    session = make("ours")
    try:
        assert len(await session.get_items(branch_id="main")) == 6
    finally:
        session.close()


async def test_a_session_in_memory_says_so_when_its_items_are_lost() -> None:
    async def main() -> None:
        session = SQLiteSession("ours")
        await Runner.run(weather_agent(), "Hi", session=session)

    with pytest.raises(restate.TerminalError, match=r'SQLiteSession\(\'ours\', "conversations.db"\)'):
        await ran(main)


async def test_a_session_in_memory_serves_as_long_as_the_process_lives() -> None:
    session = SQLiteSession("ours")

    async def main() -> int:
        await Runner.run(weather_agent(), "Hi", session=session)
        return len(await session.get_items())

    assert await ran(main) == 2


# ---- compaction


async def test_a_compaction_is_asked_for_once_and_its_tokens_count(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    client = openai_server.client()

    def made() -> OpenAIResponsesCompactionSession:
        return OpenAIResponsesCompactionSession(
            "ours",
            SQLiteSession("ours", tmp_path / "s.db"),
            client=client,
            should_trigger_compaction=lambda context: len(context["session_items"]) >= 4,
        )

    async def main() -> list[Any]:
        session = made()
        results = [
            await Runner.run(weather_agent(), text, session=session) for text in ("Hi", "Weather in Rome?")
        ]
        tokens = [result.context_wrapper.usage.total_tokens for result in results]
        return [tokens, [item["type"] for item in await session.get_items()]]

    assert await ran(main) == [[15, 30 + 107], ["compaction"]]
    assert len(openai_server.compacted) == 1


# ---- what belongs to sessions


async def test_the_input_callback_runs_on_the_loop(tmp_path: Path) -> None:
    def last_two(history: list[Any], new: list[Any]) -> list[Any]:
        return [*history[-2:], *new]

    async def main() -> list[str]:
        agent = Agent(name="A", model=ScriptedModel([lambda items: str(len(items))]))
        session = SQLiteSession("ours", tmp_path / "s.db")
        config = RunConfig(session_input_callback=last_two)
        return [
            str((await Runner.run(agent, text, session=session, run_config=config)).final_output)
            for text in ("a", "b", "c")
        ]

    assert await ran(main) == ["1", "3", "3"]


async def test_io_in_the_input_callback_names_its_line(tmp_path: Path) -> None:
    async def looks_up(history: list[Any], new: list[Any]) -> list[Any]:
        await asyncio.to_thread(print)
        return history + new

    async def main() -> None:
        config = RunConfig(session_input_callback=looks_up)
        session = SQLiteSession("ours", tmp_path / "s.db")
        await Runner.run(weather_agent(), "Hi", session=session, run_config=config)

    with pytest.raises(restate.TerminalError, match=r"looks_up.*test_sessions\.py"):
        await ran(main)


async def test_the_limit_of_the_run_goes_to_the_session(tmp_path: Path) -> None:
    async def main() -> list[str]:
        agent = Agent(name="A", model=ScriptedModel([lambda items: str(len(items))]))
        session = SQLiteSession("ours", tmp_path / "s.db")
        config = RunConfig(session_settings=SessionSettings(limit=2))
        return [
            str((await Runner.run(agent, text, session=session, run_config=config)).final_output)
            for text in ("a", "b", "c")
        ]

    assert await ran(main) == ["1", "3", "3"]


async def test_no_session_of_the_sdk_wraps_a_durable_one(tmp_path: Path) -> None:
    service = restate.VirtualObject("Chat")

    @service.handler()
    async def say(ctx: restate.ObjectContext, text: str) -> str:
        session = OpenAIResponsesCompactionSession("ours", DurableSession())
        return str((await DurableRunner.run(weather_agent(), text, session=session)).final_output)

    async with harness(service) as h:
        with pytest.raises(restate.TerminalError, match="no session of the Agents SDK can wrap it"):
            await h.call("Chat/ada/say", "Hi")


async def test_an_error_of_the_openai_client_keeps_its_class(openai_server: OpenAIServer) -> None:
    import openai

    client = openai_server.client()

    async def main() -> str:
        session = OpenAIConversationsSession(conversation_id="conv_1", openai_client=client)
        try:
            await session.add_items([{"role": "user", "content": "a"}])
        except openai.BadRequestError as error:
            return f"{error.status_code}"
        return "added"

    openai_server.conversations["conv_1"] = []
    openai_server.refuses = True
    assert await ran(main) == "400"


class Opaque:
    """A method that refuses to be looked at, as one that a proxy made may."""

    def __init__(self, method: Any) -> None:
        self._method = method

    @property
    def __signature__(self) -> Any:
        raise RuntimeError("opaque")

    async def __call__(self, *args: Any, **options: Any) -> Any:
        return await self._method(*args, **options)


async def test_a_session_whose_methods_cannot_be_looked_at() -> None:
    session: Any = ListSession("opaque", {})
    session.get_items = Opaque(session.get_items)

    async def main() -> list[str]:
        return [
            str((await Runner.run(weather_agent(), message, session=session)).final_output)
            for message in MESSAGES
        ]

    assert await ran(main) == ["Hello.", "22 degrees", "Bye."]
