"""One service of each kind, for requests that are sent to both engines."""

import restate

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")
signup = restate.Workflow("Signup")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@greeter.handler()
async def ping(ctx: restate.Context) -> None:
    return None


@greeter.handler()
async def refuse(ctx: restate.Context, code: int) -> str:
    raise restate.TerminalError("not today", status_code=code)


@greeter.handler(ingress_private=True)
async def secret(ctx: restate.Context, name: str) -> str:
    return name


@counter.handler()
async def add(ctx: restate.ObjectContext, number: int) -> int:
    return number


@signup.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    return name


app = restate.app([greeter, counter, signup])
