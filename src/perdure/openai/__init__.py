"""The OpenAI Agents SDK, made durable. One file a concern."""

from perdure.openai.approvals import Decision, Question, ask_human
from perdure.openai.handler import durable
from perdure.openai.options import DurableOptions
from perdure.openai.runner import DurableRunner
from perdure.openai.tool_decorators import durable_tool, function_tool

__all__ = [
    "Decision",
    "DurableOptions",
    "DurableRunner",
    "Question",
    "ask_human",
    "durable",
    "durable_tool",
    "function_tool",
]
