"""Which tools run agents, told by their code without running it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import agents
import pytest
from agents import Agent, Runner

import perdure
from perdure import DurableRunner
from perdure.openai.tool_code import runs_agents, runs_agents_through

AGENT = Agent(name="Inner")


async def by_name(question: str) -> str:
    return str((await Runner.run(AGENT, question)).final_output)


async def by_module(question: str) -> str:
    return str((await agents.Runner.run(AGENT, question)).final_output)


async def by_our_module(question: str) -> str:
    return str((await perdure.DurableRunner.run(AGENT, question)).final_output)


async def in_a_generator(questions: list[str]) -> list[Any]:
    return await asyncio.gather(*(Runner.run(AGENT, question) for question in questions))


async def in_a_function_of_its_own(question: str) -> Any:
    async def ask() -> Any:
        return await DurableRunner.run(AGENT, question)

    return await ask()


async def imported_inside(question: str) -> Any:
    from agents import Runner

    return await Runner.run(AGENT, question)


async def with_more(agent: Agent[Any], question: str) -> Any:
    return await Runner.run(agent, question)


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any) -> Any:
        return await function(*args)

    return wrapper


class Desk:
    async def ask(self, question: str) -> Any:
        return await Runner.run(AGENT, question)

    async def __call__(self, question: str) -> Any:
        return await Runner.run(AGENT, question)


@pytest.mark.parametrize(
    "function",
    [
        by_name,
        by_module,
        by_our_module,
        in_a_generator,
        in_a_function_of_its_own,
        imported_inside,
        functools.partial(with_more, AGENT),
        decorated(by_name),
        Desk().ask,
        Desk(),
    ],
    ids=lambda f: getattr(f, "__name__", type(f).__name__),
)
def test_a_function_whose_own_code_names_a_runner(function: Any) -> None:
    assert runs_agents(function)


async def through_a_helper(question: str) -> str:
    return await by_name(question)


async def through_two(question: str) -> str:
    return await through_a_helper(question)


def blocking(question: str) -> str:
    return str(Runner.run_sync(AGENT, question).final_output)


class Obliging:
    """A proxy that has every attribute, as some clients of remote procedures are."""

    def __getattr__(self, name: str) -> Obliging:
        return Obliging()

    def __call__(self) -> None: ...


OBLIGING = functools.partial(Obliging())
NAMELESS = eval("lambda: None", {})  # no module


async def through_odd_things(question: str) -> str:
    return f"{OBLIGING()} {NAMELESS()}"


async def no_agent(question: str) -> str:
    return question.upper()


@pytest.mark.parametrize(
    ("function", "through"),
    [
        (through_a_helper, "by_name()"),
        (through_two, "by_name()"),
        (functools.partial(through_a_helper, "?"), "by_name()"),
        (blocking, None),
        (no_agent, None),
        (through_odd_things, None),
        (len, None),
        (print, None),
    ],
    ids=lambda p: getattr(p, "__name__", type(p).__name__),
)
def test_a_function_that_it_calls_makes_no_difference_and_can_be_named(function: Any, through: str) -> None:
    assert not runs_agents(function)
    assert runs_agents_through(function) == through
