"""The OpenAI Agents SDK, made durable. One file a concern."""

from perdure.openai.handler import durable
from perdure.openai.options import DurableOptions
from perdure.openai.runner import DurableRunner

__all__ = ["DurableOptions", "DurableRunner", "durable"]
