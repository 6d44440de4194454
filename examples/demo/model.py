"""Which model answers in the demo: the one that the environment names, or a small one on this machine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from rich.console import Console

from examples.local_model.server import MODEL_NAME, serve
from examples.local_model.weights import QWEN, cache_dir, obtain

OPENAI_URL = "https://api.openai.com/v1"


class ModelNotChosen(Exception):
    """The environment names a server but not which of its models."""


@dataclass(frozen=True)
class Model:
    """Where a model answers, and its name there; without a name it is the default of the Agents SDK."""

    base_url: str
    name: str | None
    about: str


@contextmanager
def chosen_model(console: Console, log: Path) -> Iterator[Model]:
    """The model for the length of the block: OPENAI_BASE_URL's, OPENAI_API_KEY's, or one that is served here.

    Raises ModelNotChosen, and what the local model's weights and server raise.
    """
    name = os.environ.get("OPENAI_DEFAULT_MODEL")
    if base_url := os.environ.get("OPENAI_BASE_URL"):
        name = name or _only_model(base_url)
        yield Model(base_url, name, f"{name} at {base_url}, by OPENAI_BASE_URL")
    elif os.environ.get("OPENAI_API_KEY"):
        about = f"OpenAI's {name or 'model that the Agents SDK defaults to'}, by OPENAI_API_KEY"
        yield Model(OPENAI_URL, name, about)
    else:
        weights = obtain(QWEN, cache_dir(), console)
        with ExitStack() as serving:
            with console.status("loading the local model"):
                base_url = serving.enter_context(serve(weights, log))
            yield Model(base_url, MODEL_NAME, f"{MODEL_NAME} on this machine, no key needed")


def _only_model(base_url: str) -> str:
    headers = {"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"}
    try:
        response = httpx2.get(f"{base_url.rstrip('/')}/models", headers=headers, timeout=10)
        names = [model["id"] for model in response.raise_for_status().json()["data"]]
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        raise ModelNotChosen(f"set OPENAI_DEFAULT_MODEL: {base_url} lists no models: {error}") from error
    if len(names) != 1:
        raise ModelNotChosen(f"set OPENAI_DEFAULT_MODEL to one of the models of {base_url}: {names}")
    return str(names[0])
