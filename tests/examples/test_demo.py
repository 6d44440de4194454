"""`make demo` succeeds if its story is true, fails if it is not, and takes the model that it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples.local_model.weights import QWEN, cache_dir

if TYPE_CHECKING:
    from .conftest import OpenMeteo, ScriptedModel, Serve

ROOT = Path(__file__).parents[2]
MODEL_VARIABLES = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_DEFAULT_MODEL", "WEATHER_API_URL"}

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


def run_demo(environ: Mapping[str, str], tmp_path: Path) -> tuple[int, list[str]]:
    """The demo's exit code and the lines that it printed."""
    inherited = {name: value for name, value in os.environ.items() if name not in MODEL_VARIABLES}
    demo = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env={**inherited, **environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    print(demo.stdout)  # what pytest shows of a failure
    return demo.returncode, demo.stdout.splitlines()


def test_demo_with_a_compatible_server_and_live_weather(
    serve: Serve, scripted_model: ScriptedModel, open_meteo: OpenMeteo, tmp_path: Path
) -> None:
    model_url, weather_url = serve(scripted_model.app), serve(open_meteo.app)
    environ = {"OPENAI_BASE_URL": f"{model_url}/v1", "WEATHER_API_URL": weather_url}
    code, lines = run_demo(environ, tmp_path)
    assert code == 0
    assert lines[0] == f"model: scripted at {model_url}/v1, by OPENAI_BASE_URL"
    assert lines[-4:] == [
        "answered: It is 30°C there [right now].",
        "killed with SIGKILL after 1 journaled steps; resumed; finished",
        "model calls: 4 made, 0 repeated",
        "tool calls:  3 made, 0 repeated after being recorded",
    ]
    assert open_meteo.asked == ["Detroit", "Tampa"], "the held call never left the machine"
    assert not any("recorded observation" in line for line in lines)


def test_demo_without_a_network_says_that_the_weather_is_recorded(
    serve: Serve, scripted_model: ScriptedModel, closed_address: str, tmp_path: Path
) -> None:
    model_url = serve(scripted_model.app)
    environ = {"OPENAI_BASE_URL": f"{model_url}/v1", "WEATHER_API_URL": closed_address}
    code, lines = run_demo(environ, tmp_path)
    assert code == 0
    assert lines[-4] == "answered: It is 19°C there [right now]."
    assert lines.count("The network is closed here: that weather is a recorded observation.") == 2


def test_demo_fails_when_the_answer_lacks_the_number_of_the_tool(
    serve: Serve, model_that_lies: ScriptedModel, open_meteo: OpenMeteo, tmp_path: Path
) -> None:
    environ = {
        "OPENAI_BASE_URL": f"{serve(model_that_lies.app)}/v1",
        "WEATHER_API_URL": serve(open_meteo.app),
    }
    code, lines = run_demo(environ, tmp_path)
    assert code == 1
    assert "not so: the first answer holds the tool's [22]" in lines
    assert "not so: the second answer holds the tool's [30]" in lines
    assert not any(line.startswith("answered:") for line in lines)


def test_demo_fails_when_the_model_is_out_of_reach(closed_address: str, tmp_path: Path) -> None:
    code, lines = run_demo({"OPENAI_BASE_URL": f"{closed_address}/v1"}, tmp_path)
    assert code == 1
    assert any("set OPENAI_DEFAULT_MODEL" in line for line in lines)


@pytest.mark.model
@pytest.mark.skipif(not (cache_dir() / QWEN.file_name).exists(), reason="needs the weights of `make demo`")
def test_demo_with_the_local_model(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs examples/requirements.txt, which `make demo` installs")
    code, lines = run_demo({}, tmp_path)
    assert code == 0
    assert lines[-2:] == [
        "model calls: 4 made, 0 repeated",
        "tool calls:  3 made, 0 repeated after being recorded",
    ]
