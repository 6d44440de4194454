"""Deterministic asyncio for any restate.Context. It knows nothing of agents."""

from perdure.durable.context import DurableContext, current
from perdure.durable.run import on_deterministic_loop, run
from perdure.durable.step import ONCE, TRANSIENT, RetryPolicy, step

__all__ = [
    "ONCE",
    "TRANSIENT",
    "DurableContext",
    "RetryPolicy",
    "current",
    "on_deterministic_loop",
    "run",
    "step",
]
