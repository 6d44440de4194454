"""`perdure vacuum`: give the space of purged invocations back to the disk."""

from __future__ import annotations

import typer

from perdure.cli.options import DATA_DIR_DEFAULT, DataDirOption
from perdure.cli.terminal import size


def vacuum(data_dir: DataDirOption = DATA_DIR_DEFAULT) -> None:
    """Shrink the data file of an engine that is stopped.

    Needs free space for a second copy while it works.

    Example: perdure vacuum --data-dir /var/lib/perdure
    """
    from perdure.engine.storage.maintenance import vacuum as rewrite

    before, after = rewrite(data_dir)
    typer.echo(f"{data_dir}  {size(before)} before, {size(after)} after")
