"""What an invocation came to: its input and output, and what its model calls used and cost, by agent and
model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.journal import journal
from perdure.inspection.records import Journal, Step
from perdure.inspection.step_content import ModelCall, ToolResult, read
from perdure.inspection.usage import Usage

STEPS_MAX = 10_000
_PAGE = 1_000


@dataclass(slots=True)
class Summary:
    """by: agent and model. tool_calls: tools that are a step. retries: tries that failed, with another after
    them.

    is_whole: whether the whole journal was read.

    """

    input: Step | None = None
    output: Step | None = None
    total: Usage = field(default_factory=Usage)
    by: dict[tuple[str, str], Usage] = field(default_factory=dict)
    tool_calls: int = 0
    failed_tries: int = 0
    is_whole: bool = True

    def add(self, steps: Iterable[Step]) -> None:
        for step in steps:
            content = read(step)
            if step.kind == "input":
                self.input = step
            elif step.kind == "output":
                self.output = step
            if isinstance(call := content.body, ModelCall):
                self.total.add(call)
                self.by.setdefault((content.agent or "", call.model or ""), Usage()).add(call)
            elif isinstance(content.body, ToolResult):
                self.tool_calls += 1
            self.failed_tries += content.failed and not isinstance(content.body, ToolResult)


async def summary(api: AdminApi, invocation_id: str, first: Journal) -> Summary:
    """first: the part of the journal that was read already, from its beginning."""
    told = Summary()
    told.add(first.steps)
    steps, following = len(first.steps), first.next
    while following is not None and steps < STEPS_MAX:
        part = await journal(api, invocation_id, following, _PAGE)
        told.add(part.steps)
        steps, following = steps + len(part.steps), part.next
    told.is_whole = following is None
    return told
