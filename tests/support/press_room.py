"""Handlers with all that the page of an invocation shows: agents within agents, parallel tools, retries,
calls of other handlers, approvals, words as they are spoken, failing attempts, and hostile words.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import restate
from agents import Agent, ModelResponse, Usage, function_tool
from openai.types.responses import ResponseReasoningItem
from openai.types.responses.response_reasoning_item import Summary

from perdure import Budget, DurableOptions, DurableRunner, Price, RetryPolicy, step
from perdure.durable import run
from perdure.openai import durable_tool
from perdure.openai import function_tool as our_function_tool
from perdure.testing.scripted_model import ScriptedModel, ToolCall

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
THOUGHT = "The archive knows the moon; the numbers need a check."
ARTICLE = (
    "The tide follows the moon.\n\nTwice a day the water rises, for the earth turns below two bulges of it."
)
PRICES = {"press-1": Price(input=1.25, output=10.0)}


class PressModel(ScriptedModel):
    """A model with a name and a price, that thinks before it calls tools, and uses more tokens each time."""

    model = "press-1"

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        await asyncio.sleep(0.04)
        answer = await super().get_response(*args, **options)
        if any(item.type == "function_call" for item in answer.output):
            thought = Summary(text=THOUGHT, type="summary_text")
            answer.output.insert(0, ResponseReasoningItem(id="rs_1", summary=[thought], type="reasoning"))
        number = len(self.calls)
        usage = Usage(
            requests=1, input_tokens=1200 * number, output_tokens=85 * number, total_tokens=1285 * number
        )
        return ModelResponse(output=answer.output, usage=usage, response_id=answer.response_id)


@function_tool
async def search_archive(words: str, newest: int) -> list[dict[str, object]]:
    """Search all that was printed."""
    await asyncio.sleep(0.12)
    return [
        {
            "title": f"{words} {number}",
            "year": 1990 + number,
            "pages": [number, number + 1],
            "digital": number > 1,
        }
        for number in range(newest)
    ]


class Busy(Exception):
    """The other side asks to come again."""


calls_of_the_bureau: list[str] = []


@our_function_tool(retry=RetryPolicy(attempts_max=3, initial_delay_ms=60, retryable=lambda error: True))
async def ask_bureau(question: str) -> str:
    """Ask the bureau, which is busy the first time."""
    calls_of_the_bureau.append(question)
    await asyncio.sleep(0.03)
    if calls_of_the_bureau.count(question) == 1:
        raise Busy("the line is engaged")
    return "two high tides a day"


@durable_tool
async def check_facts(claims: list[str]) -> dict[str, bool]:
    """Check claims, all at once, each a step of its own."""

    async def check(claim: str) -> bool:
        await asyncio.sleep(0.05)
        return "moon" in claim

    found = await asyncio.gather(*(step(f"check {claim}", check, claim) for claim in claims))
    return dict(zip(claims, found, strict=True))


critic = Agent(
    name="Critic",
    instructions="Say what readers will ask.",
    tools=[search_archive],
    model=PressModel(
        [ToolCall("search_archive", {"words": "questions", "newest": 1}), "They will ask: why twice?"]
    ),
)
publisher = Agent(
    name="Publisher",
    handoff_description="Prints.",
    instructions="Print it.",
    model=PressModel(["not asked first", "not asked second", ARTICLE]),
)
editor = Agent(
    name="Editor",
    instructions="Write an article.",
    tools=[search_archive, ask_bureau, check_facts, critic.as_tool("ask_critic", "What will readers ask?")],
    handoffs=[publisher],
    model=PressModel(
        [
            [
                ToolCall("search_archive", {"words": "tide", "newest": 3}),
                ToolCall("ask_bureau", {"question": "How often?"}),
                ToolCall("check_facts", {"claims": ["the moon pulls", "the sun rests"]}),
                ToolCall("ask_critic", {"input": "tide"}),
            ],
            ToolCall("transfer_to_publisher"),
        ]
    ),
)


@function_tool(needs_approval=True)
async def print_it(copies: int, note: str) -> str:
    """Print."""
    return f"{copies} copies are out"


printer = Agent(
    name="Printer",
    instructions="Print.",
    tools=[print_it],
    model=PressModel([[ToolCall("print_it", {"copies": 5000, "note": "first edition"})], "It is out."]),
)


class Speaker:
    """Lets a test say how far the streamed model may speak."""

    def __init__(self) -> None:
        self.words = asyncio.Semaphore(0)

    async def before_token(self, turn: int, token: int) -> None:
        await self.words.acquire()


speaker = Speaker()
narrator = Agent(
    name="Narrator",
    instructions="Tell.",
    model=ScriptedModel(["Once upon a time there was a tide."], before_token=speaker.before_token),
)

press = restate.Service("Press")
desk = restate.VirtualObject("NewsDesk")
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=30), max_interval=timedelta(milliseconds=60), max_attempts=3
)
stumbling = restate.Service("Stumbling", invocation_retry_policy=SOON)


@press.handler()
async def write(ctx: restate.Context, topic: str) -> str:
    """An article: archive, bureau, facts and critic at once, then a handoff."""
    options = DurableOptions(budget=Budget(usd=100, prices=PRICES))
    return str((await DurableRunner.run(editor, topic, options=options)).final_output)


@press.handler("print")
async def print_edition(ctx: restate.Context, what: str) -> str:
    """A human must approve."""
    return str((await DurableRunner.run(printer, what)).final_output)


@press.handler()
async def tell(ctx: restate.Context, what: str) -> str:
    """A story, read while it is told."""
    result = DurableRunner.run_streamed(narrator, what)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


@press.handler()
async def dispatch(ctx: restate.Context, topic: str) -> str:
    """Sleeps, asks another handler, tells a third, and writes down what came of it."""
    await ctx.sleep(timedelta(milliseconds=150))
    article = await ctx.service_call(write, topic)
    ctx.object_send(file, "evening", article)
    return article.split("\n")[0]


@press.handler()
async def nap(ctx: restate.Context, seconds: float) -> str:
    await ctx.sleep(timedelta(seconds=seconds))
    return "awake"


@press.handler()
async def count(ctx: restate.Context, steps: int) -> int:
    """So many steps, a few at a time."""

    async def all_of_them() -> int:
        for number in range(0, steps, 50):
            these = range(number, min(number + 50, steps))
            await asyncio.gather(*(step(f"step {each}", asyncio.sleep, 0) for each in these))
        return steps

    return await run(ctx, all_of_them)


@press.handler()
async def relay(ctx: restate.Context, text: str) -> str:
    """Hands a text on, through a step."""
    return await ctx.run_typed("relay " + text[:60], lambda: text)


@press.handler()
async def refuse(ctx: restate.Context, why: str) -> str:
    raise restate.TerminalError(why, 422)


@desk.handler()
async def file(ctx: restate.ObjectContext, article: str) -> int:
    """Keep an article."""
    filed = (await ctx.get("filed", type_hint=int) or 0) + 1
    ctx.set("filed", filed)
    return filed


@desk.handler()
async def hold(ctx: restate.ObjectContext, seconds: float) -> None:
    """Keep the desk busy."""
    await ctx.sleep(timedelta(seconds=seconds))


falls: list[str] = []


@stumbling.handler()
async def fall(ctx: restate.Context, why: str) -> str:
    """Has a step, then fails until it is paused, each time on another one."""
    await ctx.run_typed("tie the shoes", lambda: "tied")
    falls.append(why)
    raise ValueError(f"{why} {len(falls)}")


app = restate.app([press, desk, stumbling])
