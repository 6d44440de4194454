"""The weather agent, one file, on the embedded engine and unchanged on the real restate-server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from examples.demo.counting_proxy import CountingProxy

if TYPE_CHECKING:
    from engines import Engine

    from .conftest import OpenMeteo, ScriptedModel, Serve

AGENT = Path(__file__).parents[2] / "examples" / "weather" / "agent.py"

pytestmark = pytest.mark.anyio


async def test_question_over_http_is_answered_with_the_weather_that_the_tool_found(
    run_engine: Callable[..., AbstractAsyncContextManager[Engine]],
    serve: Serve,
    scripted_model: ScriptedModel,
    open_meteo: OpenMeteo,
) -> None:
    with CountingProxy({"/": serve(scripted_model.app)}, counted=["/chat/completions"]) as model:
        environ = {
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "OPENAI_API_KEY": "none",
            "OPENAI_DEFAULT_MODEL": "scripted",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "WEATHER_API_URL": serve(open_meteo.app),
        }
        async with run_engine(str(AGENT), **environ) as engine, httpx2.AsyncClient(timeout=60) as client:
            answer = await client.post(
                f"{engine.ingress_url}/Agent/run", json="What is the weather in Detroit?"
            )
    assert answer.status_code == 200, answer.text
    assert answer.json() == "It is 22°C\nthere [right now]."
    assert open_meteo.asked == ["Detroit"]
    assert [call.answered for call in model.calls] == [True, True]
    assert model.repeated() == []
