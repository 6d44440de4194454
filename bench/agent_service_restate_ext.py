"""The agent on Restate's own integration, `restate.ext.openai`.

It journals models that it finds by name, and what a tool does where the tool says so; the model is therefore
put behind the name, and the tool has the one `run_typed` that Perdure makes by itself.
"""

import restate
from agent_script import Order, Script, agent, turns_max
from agents import set_tracing_disabled
from agents.models.multi_provider import MultiProvider
from restate.ext.openai import DurableRunner, durable_function_tool, restate_context

set_tracing_disabled(True)
bench = restate.Service("Bench")
MultiProvider.get_model = lambda self, name: Script()  # type: ignore[method-assign]


async def _work() -> str:
    return "done"


@durable_function_tool
async def work() -> str:
    """Work."""
    return await restate_context().run_typed("work", _work)


durable_agent = agent(work, "script")


@bench.handler()
async def durable(ctx: restate.Context, order: Order) -> str:
    """The run, journaled."""
    text = f'{{"turns": {order["turns"]}, "tools": {order["tools"]}}}'
    return str((await DurableRunner.run(durable_agent, text, max_turns=turns_max(order))).final_output)


app = restate.app([bench])
