"""A handler that records a thousand and more steps, and then waits until it is told to go on."""

import restate

history = restate.Service("History")


async def _one() -> int:
    return 1


@history.handler()
async def record(ctx: restate.Context, steps: int) -> int:
    """The number of steps, once the awakeable is resolved whose id is the 17th signal's."""
    done = 0
    for _ in range(steps):
        done += await ctx.run_typed("one", _one)
    await ctx.awakeable()[1]
    return done


app = restate.app([history])
