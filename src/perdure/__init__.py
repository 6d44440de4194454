"""Perdure makes OpenAI Agents SDK agents durable. Public names only."""
