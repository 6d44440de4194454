"""The agent's process is killed while a model speaks; who reads the stream gets the whole answer, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines import EngineName
from token_deaths import token_deaths

from perdure.streams.events import ATTEMPT


@pytest.mark.crash
@pytest.mark.anyio
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["embedded", pytest.param("restate-server", marks=pytest.mark.restate)])
async def test_the_text_that_a_reader_assembles_is_the_output_wherever_the_agent_died(
    name: EngineName, tmp_path: Path
) -> None:
    """A sample; `make crash` dies at every word of every call."""
    async with token_deaths(name, tmp_path) as runs:
        for turn, token in ((0, 1), (1, 0), (1, 1), (1, 6)):
            reading = await runs.die(turn, token)
            assert reading is not None
            assert reading.faults() == []
            if name == "embedded":
                assert reading.connections == 2
                assert ATTEMPT in [event.type for event in reading.events]
            else:  # the gateway outlives the agent; the last words before its death may not have left it
                assert reading.connections == 1
