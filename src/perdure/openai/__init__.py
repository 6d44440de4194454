"""The OpenAI Agents SDK, made durable. One file a concern."""

from perdure.openai.runner import DurableRunner

__all__ = ["DurableRunner"]
