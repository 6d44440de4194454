"""A conversation in the state of a virtual object: nothing lost, nothing doubled, nothing rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import restate
from agents import Agent, Runner, Session, SessionSettings, function_tool, set_tracing_disabled

from perdure import DurableRunner, DurableSession, durable, step
from perdure.openai import durable as durable_handler
from perdure.testing import Harness, harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def get_weather(city: str) -> str:
    """The weather."""
    return f"22 degrees in {city}"


def said(conversation: Any) -> str:
    """An answer that tells what the model was shown."""
    return " | ".join(item["content"] for item in conversation if item.get("role") == "user")


def weather_agent() -> Agent[Any]:
    script = [said, ToolCall("get_weather", {"city": "Rome"}), "22 degrees", said]
    return Agent(name="Weather", tools=[get_weather], model=ScriptedModel(script))


def chat(agent: Agent[Any]) -> restate.VirtualObject:
    """A chat as a user writes it."""
    service = restate.VirtualObject("Chat")

    @service.handler()
    async def say(ctx: restate.ObjectContext, message: str) -> str:
        return str((await DurableRunner.run(agent, message, session=DurableSession())).final_output)

    @service.handler(kind="shared")
    async def history(ctx: restate.ObjectSharedContext) -> list[Any]:
        return list(await DurableSession().get_items())

    return service


def kinds(items: list[Any]) -> list[str]:
    return [item.get("type") or item["role"] for item in items]


def test_it_is_a_session_to_the_sdk() -> None:
    assert isinstance(DurableSession(), Session)


@pytest.mark.parametrize("always_replay", [False, True])
async def test_a_chat_remembers_what_was_said(always_replay: bool) -> None:
    async with harness(chat(weather_agent()), always_replay=always_replay) as h:
        assert await h.call("Chat/ada/say", "Hello") == "Hello"
        assert await h.call("Chat/ada/say", "Weather in Rome?") == "22 degrees"
        assert await h.call("Chat/ada/say", "And now?") == "Hello | Weather in Rome? | And now?"
        assert await h.call("Chat/bob/say", "Hi") == "Hi"
        items = await h.call("Chat/ada/history")
    one_turn, tool = ["user", "message"], ["function_call", "function_call_output"]
    assert kinds(items) == [*one_turn, "user", *tool, "message", *one_turn]


async def test_the_sdks_own_session_would_hold_the_same_items(tmp_path: Any) -> None:
    from agents import SQLiteSession

    theirs = SQLiteSession("ada", tmp_path / "ada.db")
    for message in ("Hello", "Weather in Rome?"):
        await Runner.run(weather_agent(), message, session=theirs)
    async with harness(chat(weather_agent())) as h:
        for message in ("Hello", "Weather in Rome?"):
            await h.call("Chat/ada/say", message)
        assert await h.call("Chat/ada/history") == await theirs.get_items()


async def test_reading_and_writing_take_no_step() -> None:
    async with harness(chat(weather_agent())) as h:
        invocation = await h.send("Chat/ada/say", "Hello")
        await h.attach(invocation)
        journal = await h.journal(invocation)
    assert [entry["name"] for entry in journal if entry["entry_type"] == "Command: Run"] == ["call LLM"]


# ---- the methods, each under replay at every await


@asynccontextmanager
async def handler(main: Callable[[], Any], kind: Any = "exclusive") -> AsyncIterator[Harness]:
    service = restate.VirtualObject("Object")

    async def run(ctx: restate.ObjectContext) -> Any:
        return await durable.run(ctx, main)

    service.handler("main", kind=kind)(run)
    async with harness(service, always_replay=True) as h:
        yield h


def message(text: str) -> Any:
    return {"role": "user", "content": text}


async def called(main: Callable[[], Any], kind: Any = "exclusive") -> Any:
    async with handler(main, kind) as h:
        return await h.call("Object/key/main")


async def test_items_are_added_read_popped_and_cleared() -> None:
    async def main() -> Any:
        session, seen = DurableSession(), []
        await session.add_items([message("a"), message("b")])
        await session.add_items([message("c"), message("ü")])
        seen.append([await session.get_items(limit) for limit in (None, 3, 1, 0, 9)])
        seen.append([await session.pop_item(), await session.get_items()])
        await session.add_items([message("e")])
        seen.append(await session.get_items(2))
        await session.clear_session()
        seen.append([await session.get_items(), await session.pop_item()])
        await session.add_items([message("f")])
        seen.append(await DurableSession().get_items())
        return seen

    a, b, c, d, e, f = (message(text) for text in ("a", "b", "c", "ü", "e", "f"))
    assert await called(main) == [
        [[a, b, c, d], [b, c, d], [d], [], [a, b, c, d]],
        [d, [a, b, c]],
        [c, e],
        [[], None],
        [f],
    ]


async def test_sessions_with_other_names_are_other_conversations() -> None:
    async def main() -> Any:
        await DurableSession("plans").add_items([message("a")])
        await DurableSession("gossip").add_items([message("b")])
        await DurableSession("plans").clear_session()
        return [await DurableSession(name).get_items() for name in ("plans", "gossip", "default")]

    assert await called(main) == [[], [message("b")], []]
    with pytest.raises(ValueError, match="without '/'"):
        DurableSession("a/b")


async def test_parallel_writers_lose_nothing() -> None:
    async def main() -> Any:
        async def write(name: str) -> None:
            for number in range(3):
                await DurableSession().add_items([message(f"{name}{number}")])
                await step("pause", lambda: None)

        await asyncio.gather(write("a"), write("b"), write("c"))
        return sorted(str(item["content"]) for item in await DurableSession().get_items())  # type: ignore[typeddict-item]

    assert await called(main) == [f"{name}{number}" for name in "abc" for number in range(3)]


async def test_the_limit_of_the_settings_is_what_the_model_sees() -> None:
    service = restate.VirtualObject("Chat")
    agent = Agent(name="A", model=ScriptedModel([said]))

    @service.handler()
    async def say(ctx: restate.ObjectContext, text: str) -> str:
        session = DurableSession(session_settings={"limit": 2})
        return str((await DurableRunner.run(agent, text, session=session)).final_output)

    async with harness(service) as h:
        answers = [await h.call("Chat/ada/say", text) for text in ("one", "two", "three")]
    assert answers == ["one", "one | two", "two | three"]
    assert DurableSession(session_settings=SessionSettings(limit=3)).session_settings == SessionSettings(3)


# ---- layout


async def test_the_layout_in_state_is_the_documented_one() -> None:
    async def main() -> Any:
        context: Any = durable.current()
        await DurableSession("plans").add_items([message("a"), message("b")])
        return {key: await context.get(key) for key in await context.state_keys()}

    assert await called(main) == {
        "session/plans": {"version": 1, "items": 2},
        "session/plans/000000": message("a"),
        "session/plans/000001": message("b"),
    }


async def test_nothing_is_left_in_state_of_a_session_that_was_cleared() -> None:
    async def main() -> Any:
        await DurableSession().add_items([message("a"), message("b")])
        await DurableSession().clear_session()

    async with handler(main) as h:
        await h.call("Object/key/main")
        assert h.engine.store.states.names("Object", "key") == []


async def test_a_session_of_a_newer_perdure_is_not_misread() -> None:
    async def main() -> Any:
        context: Any = durable.current()
        context.set("session/default", {"version": 2, "items": 1})
        try:
            await DurableSession().get_items()
        except ValueError as error:
            return str(error)

    assert await called(main) == "a session of version 2; this Perdure knows 1"


async def test_the_journal_of_a_hundred_turns_grows_with_the_turns() -> None:
    """A tool call a turn in one run: twice the turns are twice the bytes, and not four times."""

    def bytes_of(turns: int) -> Any:
        script = [ToolCall("get_weather", {"city": f"{at:03}"}) for at in range(turns - 1)]
        agent = Agent(name="A", tools=[get_weather], model=ScriptedModel([*script, "done"]))
        service = restate.VirtualObject("Chat")

        @service.handler()
        async def say(ctx: restate.ObjectContext, text: str) -> str:
            result = await DurableRunner.run(agent, text, session=DurableSession(), max_turns=None)
            return str(result.final_output)

        async def measured() -> int:
            async with harness(service, skip_time=False) as h:
                invocation = await h.send("Chat/ada/say", "Go")
                assert await h.attach(invocation) == "done"
                return h.engine.store.journals.size_bytes(invocation)

        return measured()

    fifty, hundred = await bytes_of(50), await bytes_of(100)
    print(f"journal bytes: {fifty} for 50 turns, {hundred} for 100")
    assert hundred < 2.1 * fifty


# ---- where it is refused


async def failure(main: Callable[[], Any], kind: Any = "exclusive") -> str:
    with pytest.raises(restate.TerminalError) as caught:
        await called(main, kind)
    return caught.value.message


@pytest.mark.parametrize("on_the_loop", [True, False])
async def test_a_plain_service_has_no_state_and_is_told_what_to_write(on_the_loop: bool) -> None:
    service = restate.Service("Agent")

    async def main() -> None:
        await DurableSession().get_items()

    @service.handler()
    async def run(ctx: restate.Context) -> None:
        await (durable.run(ctx, main) if on_the_loop else main())

    async with harness(service) as h:
        with pytest.raises(restate.TerminalError, match=r"restate\.VirtualObject\(.*SQLiteSession\("):
            await h.call("Agent/run")


@pytest.mark.parametrize("way", ["add_items", "pop_item", "clear_session"])
async def test_a_shared_handler_may_not_write(way: str) -> None:
    async def main() -> None:
        session = DurableSession()
        await (session.add_items([message("a")]) if way == "add_items" else getattr(session, way)())

    assert "was written in a shared handler" in await failure(main, "shared")


async def test_it_is_refused_inside_of_a_step() -> None:
    async def main() -> None:
        await step("look", lambda: DurableSession().get_items())

    assert "was used inside the step 'look'" in await failure(main)


async def test_outside_of_a_handler_there_is_no_state() -> None:
    from perdure.errors import NotDurable

    with pytest.raises(NotDurable, match="outside of a restate handler"):
        await DurableSession().get_items()


async def test_an_item_that_is_not_json_is_refused_before_anything_is_written() -> None:
    async def main() -> Any:
        session = DurableSession()
        try:
            await session.add_items([message("a"), message(object())])  # type: ignore[arg-type]
        except TypeError as error:
            return [str(error), await session.get_items()]

    assert await called(main) == ["Object of type object is not JSON serializable", []]


# ---- interrupted and failed runs


@function_tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@pytest.mark.parametrize("always_replay", [False, True])
async def test_a_run_that_waited_for_an_approval_has_each_item_once(always_replay: bool) -> None:
    service = restate.VirtualObject("Chat")
    agent = Agent(name="A", tools=[pay], model=ScriptedModel([ToolCall("pay", {"amount": 7}), "It is paid."]))

    @service.handler()
    @durable_handler
    async def say(ctx: restate.ObjectContext, text: str) -> list[Any]:
        session = DurableSession()
        result = await Runner.run(agent, text, session=session)
        before = kinds(list(await session.get_items()))
        state = result.to_state()
        state.approve(result.interruptions[0])
        await asyncio.sleep(3600)
        result = await Runner.run(agent, state, session=session)
        return [before, kinds(list(await session.get_items())), result.final_output]

    async with harness(service, always_replay=always_replay) as h:
        before, after, answer = await h.call("Chat/ada/say", "Pay 7")
    assert before == ["user", "function_call"]
    assert after == ["user", "function_call", "function_call_output", "message"]
    assert answer == "It is paid."


async def test_what_a_failed_run_had_written_stays_and_the_next_one_can_go_on() -> None:
    service = restate.VirtualObject("Chat")
    models: list[Any] = [
        ScriptedModel([ToolCall("get_weather", {"city": city}) for city in ("Rome", "Oslo")]),
        ScriptedModel([said]),
    ]

    @service.handler()
    async def say(ctx: restate.ObjectContext, text: str) -> str:
        agent = Agent(name="A", tools=[get_weather], model=models[0 if text == "first" else 1])
        result = await DurableRunner.run(agent, text, session=DurableSession(), max_turns=2)
        return str(result.final_output)

    @service.handler(kind="shared")
    async def history(ctx: restate.ObjectSharedContext) -> list[Any]:
        return list(await DurableSession().get_items())

    async with harness(service) as h:
        with pytest.raises(restate.TerminalError, match="MaxTurnsExceeded"):
            await h.call("Chat/ada/say", "first")
        kept = await h.call("Chat/ada/history")
        assert kinds(kept) == ["user", *["function_call", "function_call_output"] * 2]
        assert await h.call("Chat/ada/say", "second") == "first | second"
