"""What the newest invocations spent on model calls, by time and by agent and model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import page
from perdure.inspection.journal import journal
from perdure.inspection.step_content import ModelCall, read


@dataclass(frozen=True, slots=True)
class Spending:
    """One model call. usd: None where no price was known."""

    at: datetime
    invocation_id: str
    agent: str | None
    model: str | None
    input_tokens: int
    output_tokens: int
    usd: float | None


async def model_calls(api: AdminApi, invocations: int = 100) -> list[Spending]:
    """The model calls of the newest invocations, oldest first."""
    found: list[Spending] = []
    for each in (await page(api, limit=invocations)).items:
        for step in (await journal(api, each.id)).steps:
            content = read(step)
            if isinstance(call := content.body, ModelCall):
                found.append(
                    Spending(
                        at=step.ended_at or step.started_at,
                        invocation_id=each.id,
                        agent=content.agent,
                        model=call.model,
                        input_tokens=call.input_tokens,
                        output_tokens=call.output_tokens,
                        usd=call.usd,
                    )
                )
    return sorted(found, key=lambda call: call.at)
