"""What the runs of an invocation used, in the words of either API.

A streamed run says it in its `output` event, in those of the Responses API. Nobody else says it: of a handler
whose runs are not streamed it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perdure.streams.events import StreamEvent

OUTPUT = "output"

Usage = dict[str, Any]
"""`usage` of a response."""


class Meter:
    """The usage of the runs whose outputs it was told of, and that were not superseded."""

    def __init__(self) -> None:
        self._told: list[tuple[str, int, Usage]] = []

    def add(self, event: StreamEvent) -> None:
        """Count an `output` event, if it is one of a run: a handler may call events of its own so."""
        told = event.data.get("usage")
        if isinstance(told, Mapping) and isinstance(told.get("total_tokens"), int):
            self._told.append((event.source, event.index, dict(told)))

    def supersede(self, source: str, index: int) -> None:
        """Of that source, what came from that index on does not count."""
        self._told = [t for t in self._told if t[0] != source or t[1] < index]

    def total(self) -> Usage | None:
        """Of all runs together; None if no run told."""
        if not self._told:
            return None
        runs = [usage for _, _, usage in self._told]
        return {
            "input_tokens": _sum(runs, "input_tokens"),
            "input_tokens_details": {
                name: _sum(runs, "input_tokens_details", name)
                for name in ("cached_tokens", "cache_write_tokens")
            },
            "output_tokens": _sum(runs, "output_tokens"),
            "output_tokens_details": {
                "reasoning_tokens": _sum(runs, "output_tokens_details", "reasoning_tokens")
            },
            "total_tokens": _sum(runs, "total_tokens"),
        }


def of_completion(usage: Usage | None) -> dict[str, Any] | None:
    """The same, as a chat completion says it."""
    return usage and {
        "prompt_tokens": usage["input_tokens"],
        "prompt_tokens_details": usage["input_tokens_details"],
        "completion_tokens": usage["output_tokens"],
        "completion_tokens_details": usage["output_tokens_details"],
        "total_tokens": usage["total_tokens"],
    }


def _sum(runs: list[Usage], *path: str) -> int:
    return sum(_number(usage, *path) for usage in runs)


def _number(told: Any, *path: str) -> int:
    for name in path:
        told = told.get(name) if isinstance(told, Mapping) else None
    return told if isinstance(told, int) else 0
