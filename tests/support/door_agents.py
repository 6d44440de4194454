"""Agents of every kind that the OpenAI-compatible door can stand in front of, with scripted models."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import restate
from agents import Agent, TResponseInputItem, function_tool, set_tracing_disabled

from perdure import DurableRunner, DurableSession
from perdure.openai import durable
from perdure.testing.scripted_model import ScriptedModel, ToolCall

set_tracing_disabled(True)


@function_tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"22 degrees in {city}"


def last_output(items: Any) -> str:
    return f"It is {items[-1]['output']}."


def transcript(items: Any) -> str:
    """Who said what, as the model sees it."""
    return "; ".join(f"{item['role']}: {_said(item['content'])}" for item in items)


def _said(content: Any) -> str:
    return (
        content if isinstance(content, str) else "+".join(part.get("text", part["type"]) for part in content)
    )


weather, echo, chat, desk = (
    restate.Service("Weather"),
    restate.Service("Echo"),
    restate.VirtualObject("Chat"),
    restate.Service("Desk"),
)
forecaster = Agent(
    name="Forecaster",
    tools=[get_weather],
    model=ScriptedModel([ToolCall("get_weather", {"city": "Tokyo"}), last_output]),
)
repeater = Agent(name="Repeater", model=ScriptedModel([transcript]))


@weather.handler()
async def ask(ctx: restate.Context, message: str) -> str:
    return (await DurableRunner.run(forecaster, message)).final_output


@weather.handler()
@durable
async def tell(ctx: restate.Context, message: str) -> str:
    result = DurableRunner.run_streamed(forecaster, message)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


@echo.handler()
async def run(ctx: restate.Context, items: list[TResponseInputItem]) -> str:
    return (await DurableRunner.run(repeater, items)).final_output


@chat.handler()
async def say(ctx: restate.ObjectContext, message: str) -> str:
    return (await DurableRunner.run(repeater, message, session=DurableSession())).final_output


@chat.handler(kind="shared")
async def history(ctx: restate.ObjectSharedContext) -> list[TResponseInputItem]:
    return await DurableSession().get_items()


@desk.handler()
async def refuse(ctx: restate.Context, message: str) -> str:
    raise restate.TerminalError(f"no {message} today", status_code=503)


@desk.handler()
async def forecast(ctx: restate.Context, city: str) -> dict[str, Any]:
    return {"city": city, "degrees": 22}


@desk.handler()
async def add(ctx: restate.Context, number: int) -> int:
    return number


NOT_RETAINED = {"journal_retention": timedelta(0), "idempotency_retention": timedelta(0)}


@desk.handler(**NOT_RETAINED)
async def whisper(ctx: restate.Context, message: str) -> str:
    return f"{message}..."


@desk.handler(ingress_private=True)
async def secret(ctx: restate.Context, message: str) -> str:
    return message


@desk.handler()
async def ping(ctx: restate.Context) -> None:
    return None


services = (weather, echo, chat, desk)
app = restate.app(services)
