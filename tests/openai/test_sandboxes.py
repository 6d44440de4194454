"""Sandbox agents are refused, before a sandbox is made."""

from __future__ import annotations

import pytest
from agent_invocation import asking
from agents import RunConfig
from agents.run_config import SandboxRunConfig
from agents.sandbox import SandboxAgent
from agents.sandbox.sandboxes.unix_local import UnixLocalSandboxClient

from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio


class CountedClient(UnixLocalSandboxClient):
    """A real client that counts the sandboxes it makes."""

    made = 0

    async def create(self, *args: object, **options: object) -> object:  # type: ignore[override]
        self.made += 1
        return await super().create(*args, **options)  # type: ignore[arg-type]


async def test_an_agent_that_works_in_a_sandbox_is_refused_by_name() -> None:
    model = ScriptedModel(["done"])
    client = CountedClient()
    coder = SandboxAgent(name="Coder", model=model)

    output = await asking(coder, run_config=RunConfig(sandbox=SandboxRunConfig(client=client))).run()

    assert "agent 'Coder' is a SandboxAgent" in output.failure.message
    assert "function tools" in output.failure.message
    assert (client.made, model.calls) == (0, [])


async def test_without_a_sandbox_the_sdks_own_error_comes_first() -> None:
    output = await asking(SandboxAgent(name="Coder", model=ScriptedModel(["done"]))).run()
    assert "UserError: SandboxAgent execution requires" in output.failure.message
