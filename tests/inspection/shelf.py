"""Objects that keep what they are told to."""

from datetime import timedelta

import restate

shelf = restate.VirtualObject("Shelf")
flow = restate.Workflow("Flow")


@shelf.handler()
async def put(ctx: restate.ObjectContext, entries: dict[str, str]) -> None:
    for name, text in entries.items():
        ctx.set(name, text)


@shelf.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))


@flow.main()
async def run(ctx: restate.WorkflowContext) -> str:
    ctx.set("step", "asked")
    await ctx.promise("confirmed").resolve("yes")
    return await ctx.promise("never").value()


app = restate.app([shelf, flow])
