"""The OpenAI Agents SDK, made durable. One file a concern."""

from perdure.openai.approvals import Decision, Question, ask_human
from perdure.openai.budget import Budget, BudgetExceeded, Spent, spent
from perdure.openai.durable_session import DurableSession
from perdure.openai.effects import ASK_HUMAN
from perdure.openai.handler import durable
from perdure.openai.options import DurableOptions
from perdure.openai.prices import Price
from perdure.openai.runner import DurableRunner
from perdure.openai.tool_decorators import durable_tool, function_tool

__all__ = [
    "ASK_HUMAN",
    "Budget",
    "BudgetExceeded",
    "Decision",
    "DurableOptions",
    "DurableRunner",
    "DurableSession",
    "Price",
    "Question",
    "Spent",
    "ask_human",
    "durable",
    "durable_tool",
    "function_tool",
    "spent",
]
