"""An agent.py without an agent: its handlers answer, or wait to be answered from outside."""

import restate

service = restate.Service("Agent")
signup = restate.Workflow("Signup")


@service.handler()
async def run(ctx: restate.Context, message: str) -> str:
    return message


@service.handler()
async def ask(ctx: restate.Context) -> str:
    name, answer = ctx.awakeable(type_hint=str)
    await ctx.run_typed("ask", lambda: name)
    return await answer


@service.handler()
async def wait(ctx: restate.Context) -> str:
    return await ctx.signal("go", type_hint=str)


@signup.main()
async def run_signup(ctx: restate.WorkflowContext) -> str:
    return await ctx.promise("click", type_hint=str).value()


app = restate.app([service, signup])
