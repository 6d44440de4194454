"""Tests that run an agent and are no test of durable runs, by the reason. Patterns match pytest node ids."""

from __future__ import annotations

NOT_APPLICABLE: dict[str, list[str]] = {}
