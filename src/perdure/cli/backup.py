"""`perdure backup FILE`: a consistent copy of the data, also while the engine runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.options import DATA_DIR_DEFAULT, DataDirOption
from perdure.cli.terminal import size


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: a file that does not exist yet.")],
    data_dir: DataDirOption = DATA_DIR_DEFAULT,
) -> None:
    """Copy the data of an engine, running or not, to FILE.

    To go back to it: stop the engine, and put FILE into an empty data directory as perdure.sqlite.

    Example: perdure backup perdure-2026-11-23.sqlite
    """
    from perdure.engine.storage.backup import backup as copy

    typer.echo(f"{file}  {size(copy(data_dir, file))}")
