"""Perdure makes OpenAI Agents SDK agents durable. Public names only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.durable import Happened, NotHappened, RetryPolicy, effect, idempotency_key, publish, step
    from perdure.durable.log_context import InvocationLogFilter
    from perdure.openai import (
        ASK_HUMAN,
        Budget,
        BudgetExceeded,
        DurableOptions,
        DurableRunner,
        DurableSession,
        Price,
        durable_tool,
        function_tool,
        spent,
    )

__all__ = [
    "ASK_HUMAN",
    "Budget",
    "BudgetExceeded",
    "DurableOptions",
    "DurableRunner",
    "DurableSession",
    "Happened",
    "InvocationLogFilter",
    "NotHappened",
    "Price",
    "RetryPolicy",
    "durable_tool",
    "effect",
    "function_tool",
    "idempotency_key",
    "publish",
    "spent",
    "step",
]

# Loaded when they are asked for: the engine and the command line need not pay for importing the Agents SDK.
_HOMES = {
    "ASK_HUMAN": "perdure.openai",
    "Budget": "perdure.openai",
    "BudgetExceeded": "perdure.openai",
    "DurableOptions": "perdure.openai",
    "DurableRunner": "perdure.openai",
    "DurableSession": "perdure.openai",
    "Happened": "perdure.durable",
    "InvocationLogFilter": "perdure.durable.log_context",
    "NotHappened": "perdure.durable",
    "Price": "perdure.openai",
    "RetryPolicy": "perdure.durable",
    "durable_tool": "perdure.openai",
    "effect": "perdure.durable",
    "function_tool": "perdure.openai",
    "idempotency_key": "perdure.durable",
    "publish": "perdure.durable",
    "spent": "perdure.openai",
    "step": "perdure.durable",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
