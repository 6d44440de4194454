"""The local model's server: a clear message when it cannot run, and no orphan when its parent is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from examples.local_model.server import ModelServerFailed, serve
from examples.local_model.weights import QWEN, cache_dir

ROOT = Path(__file__).parents[2]
WEIGHTS = cache_dir() / QWEN.file_name


def test_server_that_cannot_run_says_why_and_how_to_name_another_model(tmp_path: Path) -> None:
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"these are no weights")
    with pytest.raises(ModelServerFailed) as told, serve(weights, tmp_path / "log"):
        pytest.fail("it should not have started")
    assert "Error" in str(told.value)
    assert "set OPENAI_API_KEY, or OPENAI_BASE_URL" in str(told.value)


@pytest.mark.model
@pytest.mark.crash
@pytest.mark.skipif(not WEIGHTS.exists(), reason="needs the weights of `make demo`")
def test_server_ends_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs examples/requirements.txt, which `make demo` installs")
    code = (
        "import pathlib, sys, time; from examples.local_model.server import serve\n"
        "with serve(*map(pathlib.Path, sys.argv[1:])) as url: print(url, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(WEIGHTS), str(tmp_path / "log")]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    models_url = f"{parent.stdout.readline().strip()}/models"
    assert httpx2.get(models_url).is_success
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    assert gone(models_url, within_s=10)


def gone(url: str, within_s: float) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            httpx2.get(url)
        except httpx2.TransportError:
            return True
        time.sleep(0.05)
    return False
