"""Deterministic asyncio for any restate.Context. It knows nothing of agents."""

from perdure.durable.context import DurableContext, current, idempotency_key
from perdure.durable.effect import Happened, Judge, NotHappened, Outcome, effect
from perdure.durable.run import on_deterministic_loop, run
from perdure.durable.step import ONCE, TRANSIENT, RetryPolicy, step
from perdure.durable.stream import publish

__all__ = [
    "ONCE",
    "TRANSIENT",
    "DurableContext",
    "Happened",
    "Judge",
    "NotHappened",
    "Outcome",
    "RetryPolicy",
    "current",
    "effect",
    "idempotency_key",
    "on_deterministic_loop",
    "publish",
    "run",
    "step",
]
