"""The service under the clock: a handler that journals as many steps as it is told, one after the other.

No `from __future__ import annotations` here: the SDK would evaluate the one of `_step` on each step.
"""

import restate

bench = restate.Service("Bench")


async def _step() -> int:  # async: the SDK would run a plain function in a thread
    return 1


@bench.handler()
async def steps(ctx: restate.Context, count: int) -> int:
    """Journal `count` steps of no work at all; answers how many results came back."""
    done = 0
    for _ in range(count):
        done += await ctx.run_typed("step", _step)
    return done


app = restate.app([bench])
