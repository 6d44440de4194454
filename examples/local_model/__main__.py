"""`python -m examples.local_model`: serve the small model until Ctrl-C, to whatever speaks OpenAI's API."""

import contextlib
import signal
import tempfile
from pathlib import Path

from rich.console import Console

from .server import MODEL_NAME, serve
from .weights import QWEN, cache_dir, download_progress, obtain

console = Console(highlight=False)
with download_progress(console) as progress:
    weights = obtain(QWEN, cache_dir(), progress)
with tempfile.NamedTemporaryFile(suffix=".log") as log, serve(weights, Path(log.name)) as base_url:
    console.print("The model answers. In another terminal:\n")
    console.print(f"export OPENAI_BASE_URL={base_url} OPENAI_API_KEY=none OPENAI_AGENTS_DISABLE_TRACING=1")
    console.print(f"export OPENAI_DEFAULT_MODEL={MODEL_NAME}\nperdure up examples/weather/agent.py")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
