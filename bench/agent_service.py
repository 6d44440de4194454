"""The agent on Perdure; and plain, without any durability, in the very same process: the reference."""

import time

import restate
from agent_script import Order, Script, agent, turns_max
from agents import Runner, function_tool, set_tracing_disabled

from perdure import DurableRunner

set_tracing_disabled(True)
bench = restate.Service("Bench")


@function_tool
async def work() -> str:
    """Work."""
    return "done"


durable_agent = agent(work, Script())


@bench.handler()
async def durable(ctx: restate.Context, order: Order) -> str:
    """The run, journaled."""
    return str(
        (await DurableRunner.run(durable_agent, _text(order), max_turns=turns_max(order))).final_output
    )


@bench.handler()
async def plain(ctx: restate.Context, order: Order) -> float:
    """Seconds of the same run by `Runner.run`, which journals nothing."""
    begin = time.perf_counter()
    await Runner.run(durable_agent, _text(order), max_turns=turns_max(order))
    return time.perf_counter() - begin


def _text(order: Order) -> str:
    return f'{{"turns": {order["turns"]}, "tools": {order["tools"]}}}'


app = restate.app([bench])
