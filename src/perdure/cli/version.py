"""`perdure version`: what is installed, for a bug report."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed

import typer


def version() -> None:
    """Print the versions of Perdure and of what it stands on.

    Example: perdure version
    """
    typer.echo(f"perdure {installed('perdure')}")
    for package in ("restate-sdk", "openai-agents"):
        typer.echo(f"{package} {installed(package)}")
    typer.echo(f"python {platform.python_version()}")
