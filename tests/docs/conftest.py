"""What a reader of the documentation has: a folder, a shell, `perdure`, and a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import set_tracing_disabled
from attentive_model import AttentiveModel
from child_process import fork_server
from page_shell import PageShell


@pytest.fixture(autouse=True)
def _no_traces_for_openai() -> None:
    set_tracing_disabled(True)


@pytest.fixture
def model() -> Iterator[AttentiveModel]:
    with AttentiveModel().serving() as model:
        yield model


@pytest.fixture
def shell(model: AttentiveModel, tmp_path: Path) -> Iterator[PageShell]:
    """In an empty folder; agents ask `model`."""
    with PageShell(tmp_path, fork_server().bin, **model.env) as shell:
        yield shell
