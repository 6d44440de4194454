"""`python -m examples.local_model`: serve the small model until Ctrl-C, to whatever speaks OpenAI's API."""

import contextlib
import signal
import tempfile
from pathlib import Path

from rich.console import Console

from .server import MODEL_NAME, serve
from .weights import QWEN, cache_dir, obtain

console = Console(highlight=False)
weights = obtain(QWEN, cache_dir(), console)
with tempfile.NamedTemporaryFile(suffix=".log") as log, serve(weights, Path(log.name)) as base_url:
    console.print("The model answers until Ctrl-C. In another terminal:\n")
    console.print(
        f"export OPENAI_BASE_URL={base_url} OPENAI_API_KEY=none OPENAI_DEFAULT_MODEL={MODEL_NAME}",
        soft_wrap=True,
    )
    console.print(
        "export OPENAI_AGENTS_DISABLE_TRACING=1\nperdure up examples/weather/agent.py", soft_wrap=True
    )
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
