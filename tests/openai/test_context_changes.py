"""What a plain tool changes in the run's context object is there after a replay, too."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import restate
from agents import Agent, RunContextWrapper, function_tool, set_tracing_disabled
from journal_server import JournalServer, serve, value_of
from pydantic import BaseModel, PrivateAttr

from perdure import DurableRunner, durable
from perdure.openai.context_changes import step_in_context
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

Change = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.0


class Client:
    """Something of the process: not JSON, and full of changing innards."""

    def __init__(self) -> None:
        self.requests = 0


@dataclasses.dataclass
class Cart:
    owner: str = "ann"
    items: list[Item] = dataclasses.field(default_factory=list)
    seen: set[str] = dataclasses.field(default_factory=set)
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)
    last: Item | None = None
    client: Client = dataclasses.field(default_factory=Client)

    @functools.cached_property
    def lazy(self) -> Client:
        return Client()


class Profile(BaseModel):
    name: str = "ann"
    tags: list[str] = []
    inner: dict[str, int] = {}
    _secret: int = PrivateAttr(default=0)


class Plain:
    def __init__(self) -> None:
        self.count = 0
        self.log: deque[str] = deque()
        self.gone = True


class Slotted:
    __slots__ = ("count", "late")

    def __init__(self) -> None:
        self.count = 0


def state(context: Any) -> str:
    if isinstance(context, Slotted):
        return f"{context.count} {getattr(context, 'late', None)}"
    if isinstance(context, Profile):
        return f"{context!r} {context._secret} {sorted(context.model_fields_set)}"
    shown = dict(vars(context)) if hasattr(context, "__dict__") else context
    if isinstance(shown, dict):
        shown = {k: v for k, v in shown.items() if not isinstance(v, Client)}
    return repr(shown)


async def after(make: Callable[[], Any], *changes: Change, **options: Any) -> tuple[str, JournalServer]:
    """The state of a new context after steps that made `changes`, one after the other."""
    seen: list[bool] = []

    async def main() -> str:
        context = make()
        inner = (
            {k: v for k, v in vars(context).items() if k in ("items", "notes", "log", "inner")}
            if hasattr(context, "__dict__")
            else {}
        )
        for change in changes:

            async def act(change: Change = change) -> None:
                change(context)

            await step_in_context("change", RunContextWrapper(context), act)
        seen.append(all(getattr(context, k) is v for k, v in inner.items()))
        return state(context)

    server = serve(main, **options)
    result = value_of(await server.run())
    assert all(seen), "containers that were changed in place are the same objects"
    return result, server


CHANGES: dict[str, tuple[Callable[[], Any], Change]] = {
    "a field": (Cart, lambda c: setattr(c, "owner", "bob")),
    "a list": (Cart, lambda c: c.items.append(Item("pen"))),
    "a set": (Cart, lambda c: c.seen.update({"b", "a"})),
    "a model in a field": (Cart, lambda c: setattr(c, "last", Item("ink", 2.5))),
    "a dict": (Cart, lambda c: c.notes.update({"a/b~c": [1, {"x": None}]})),
    "a new field": (Plain, lambda c: setattr(c, "new", (1, "two"))),
    "a deque": (Plain, lambda c: c.log.append("x")),
    "a deleted field": (Plain, lambda c: delattr(c, "gone")),
    "a pydantic field": (Profile, lambda c: setattr(c, "name", "bob")),
    "a pydantic list": (Profile, lambda c: c.tags.append("x")),
    "a pydantic private": (Profile, lambda c: setattr(c, "_secret", 7)),
    "a slot": (Slotted, lambda c: setattr(c, "count", 3)),
    "a new slot": (Slotted, lambda c: setattr(c, "late", "x")),
    "a key": (dict, lambda c: c.update(count=1)),
    "a deleted key": (lambda: {"a": 1, "b": {"c": 2, "d": 3}}, lambda c: c["b"].pop("c")),
    "keys that are no strings": (lambda: {"by_id": {1: "a"}}, lambda c: c["by_id"].update({2: "b"})),
    "a defaultdict": (lambda: defaultdict(int), lambda c: c.__setitem__("x", c["x"] + 1)),
    "a list itself": (list, lambda c: c.append({"x": Item("pen")})),
    "a namespace": (lambda: SimpleNamespace(inner=SimpleNamespace(n=0)), lambda c: setattr(c.inner, "n", 1)),
    "true is not one": (lambda: {"flag": 1}, lambda c: c.update(flag=True)),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_is_made_again_on_replay(what: str) -> None:
    make, change = CHANGES[what]
    plain = make()
    change(plain)
    live, _ = await after(make, change)
    replayed, server = await after(make, change, lambda _: None, suspend_always=True)
    assert server.attempts == 3
    assert live == replayed == state(plain) != state(make())


async def test_the_last_of_many_changes_counts() -> None:
    changes = [lambda c, n=n: c.items.append(Item(str(n))) for n in range(4)]
    live, _ = await after(Cart, *changes)
    replayed, _ = await after(Cart, *changes, suspend_always=True)
    assert live == replayed
    assert "name='3'" in live


async def test_nothing_changed_costs_no_byte_of_the_journal() -> None:
    def read(cart: Cart) -> None:
        cart.client.requests += 1
        _ = cart.lazy

    _, server = await after(Cart, read)
    assert runs(server) == [b'{"ok":null}']
    _, server = await after(Cart, lambda c: setattr(c, "owner", "bob"))
    assert runs(server) == [b'{"ok":null,"changes":{"set":{"/owner":"bob"}}}']


def runs(server: JournalServer) -> list[bytes]:
    from perdure.protocol.messages import MessageType

    return [entry.value.content for entry in server.entries(MessageType.RUN_COMPLETION)]


@pytest.mark.parametrize(
    ("what", "change"),
    {
        "field 'client'": lambda c: setattr(c, "client", Client()),
        "field 'notes.a'": lambda c: c.notes.update(a=[Client()]),
        "field 'items'": lambda c: c.items.append(Client()),
        "field 'new'": lambda c: setattr(c, "new", Client()),
    }.items(),
)
async def test_what_the_journal_cannot_hold_is_refused_by_name(what: str, change: Change) -> None:
    async def main() -> None:
        cart = Cart()

        async def act() -> None:
            change(cart)

        await step_in_context("change", RunContextWrapper(cart), act)

    message = (await serve(main).run()).failure.message
    assert f"step 'change' changed the {what}" in message
    assert "Client" in message
    assert "cached_property" in message


async def test_a_step_that_fails_keeps_what_it_changed_before() -> None:
    async def main() -> list[str]:
        cart = Cart()

        async def act() -> None:
            cart.items.append(Item("pen"))
            raise ValueError("no")

        try:
            await step_in_context("change", RunContextWrapper(cart), act)
        except ValueError as error:
            await durable.step("later", lambda: None)
            return [str(error), state(cart)]
        raise AssertionError

    live = value_of(await serve(main).run())
    assert value_of(await serve(main, suspend_always=True).run()) == live
    assert "pen" in live[1]


async def test_a_tried_again_step_keeps_the_changes_of_every_try() -> None:
    tries: list[int] = []

    async def main() -> str:
        cart = Cart()

        async def act() -> None:
            tries.append(1)
            cart.items.append(Item(str(len(cart.items))))
            if len(cart.items) < 3:
                raise ConnectionError("again")

        await step_in_context("change", RunContextWrapper(cart), act, retry=durable.RetryPolicy())
        return state(cart)

    live = value_of(await serve(main).run())
    assert value_of(await serve(main, suspend_always=True).run()) == live
    assert "name='2'" in live
    assert len(tries) == 6


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
async def test_of_parallel_steps_the_last_to_end_says_what_a_field_holds(order: tuple[int, ...]) -> None:
    async def main() -> str:
        cart = Cart()
        ends = [asyncio.Event() for _ in order]

        async def act(number: int) -> None:
            cart.notes[str(number)] = number
            cart.owner = f"started {number}"
            await ends[number].wait()
            cart.owner = "ann" if number == order[-1] else f"ended {number}"
            cart.items.append(Item(str(number)))
            following = order.index(number) + 1
            if following < len(order):
                ends[order[following]].set()

        async def one(number: int) -> None:
            await step_in_context("change", RunContextWrapper(cart), functools.partial(act, number))

        ends[order[0]].set()
        await asyncio.gather(*(one(number) for number in range(len(order))))
        await durable.step("later", lambda: None)
        return state(cart)

    server = serve(main)
    live = value_of(await server.run())
    assert live == value_of(await replay_of(server, main))
    assert "'ann'" in live


def replay_of(server: JournalServer, main: Any) -> Awaitable[Any]:
    """A second life of the invocation, from the journal as it stood before its last step."""
    again = serve(main)
    last = max(at for at, name in enumerate(kinds(server)) if name == "Run later")
    again.resume_from(server.journal[:last])
    return again.run()


def kinds(server: JournalServer) -> list[str]:
    from perdure.protocol import messages

    return [
        f"Run {messages.entry_name(f.type, messages.decode_message(f.type, f.payload))}"
        if messages.is_command(f.type)
        else ""
        for f in server.journal
    ]


async def test_what_code_on_the_loop_changes_meanwhile_is_its_own() -> None:
    async def main() -> str:
        cart = Cart()

        async def slow() -> None:
            for _ in range(50):
                await asyncio.sleep(0)
            cart.owner = "slow"

        async def orchestrate() -> None:
            for number in range(3):
                await durable.step("quick", lambda: None)
                cart.notes["done"] = number

        await asyncio.gather(step_in_context("slow", RunContextWrapper(cart), slow), orchestrate())
        await durable.step("later", lambda: None)
        return state(cart)

    server = serve(main)
    live = value_of(await server.run())
    assert live == value_of(await replay_of(server, main))
    assert "'done': 2" in live
    assert value_of(await serve(main, suspend_always=True).run()) == live


@pytest.mark.parametrize("context", [None, "text", 3, Item])
async def test_a_context_that_cannot_change_is_left_alone(context: Any) -> None:
    async def main() -> str:
        async def act() -> str:
            return "ok"

        return await step_in_context("change", RunContextWrapper(context), act)

    server = serve(main)
    assert value_of(await server.run()) == "ok"
    assert runs(server) == [b'{"ok":"ok"}']


async def test_tools_of_an_agent_and_of_its_sub_agents_share_the_context() -> None:
    @function_tool
    def put(wrapper: RunContextWrapper[Cart], name: str) -> str:
        wrapper.context.items.append(Item(name))
        return f"{len(wrapper.context.items)} items"

    def last_output(items: Any) -> str:
        return str(items[-1]["output"])

    inner = Agent[Cart](
        name="Inner", tools=[put], model=ScriptedModel([ToolCall("put", {"name": "ink"}), last_output])
    )
    outer = Agent[Cart](
        name="Outer",
        tools=[put, inner.as_tool("inner", "Puts.")],
        model=ScriptedModel(
            [ToolCall("put", {"name": "pen"}), ToolCall("inner", {"input": "?"}), last_output]
        ),
    )

    async def run(ctx: restate.Context, message: str) -> list[str]:
        cart = Cart()
        result = await DurableRunner.run(outer, message, context=cart)
        return [str(result.final_output), state(cart)]

    service = restate.Service("Agent")
    service.handler("run")(run)
    server = JournalServer(
        restate.app([service]), "/invoke/Agent/run", request=b'"hello"', suspend_always=True
    )
    output, cart = value_of(await server.run())
    assert output == "2 items"
    assert cart == state(Cart(items=[Item("pen"), Item("ink")]))
