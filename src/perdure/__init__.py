"""Perdure makes OpenAI Agents SDK agents durable. Public names only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.durable import Happened, NotHappened, RetryPolicy, effect, idempotency_key, step
    from perdure.openai import DurableOptions, DurableRunner, durable_tool, function_tool

__all__ = [
    "DurableOptions",
    "DurableRunner",
    "Happened",
    "NotHappened",
    "RetryPolicy",
    "durable_tool",
    "effect",
    "function_tool",
    "idempotency_key",
    "step",
]

# Loaded when they are asked for: the engine and the command line need not pay for importing the Agents SDK.
_HOMES = {
    "DurableOptions": "perdure.openai",
    "DurableRunner": "perdure.openai",
    "Happened": "perdure.durable",
    "NotHappened": "perdure.durable",
    "RetryPolicy": "perdure.durable",
    "durable_tool": "perdure.openai",
    "effect": "perdure.durable",
    "function_tool": "perdure.openai",
    "idempotency_key": "perdure.durable",
    "step": "perdure.durable",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
