"""`perdure engine`: the embedded engine alone; deployments are registered with it over the admin API."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from perdure.cli.options import (
    ADMIN_DEFAULT,
    DATA_DIR_DEFAULT,
    INGRESS_DEFAULT,
    AdminOption,
    DataDirOption,
    IngressOption,
)


def engine(
    ingress: IngressOption = INGRESS_DEFAULT,
    admin: AdminOption = ADMIN_DEFAULT,
    data_dir: DataDirOption = DATA_DIR_DEFAULT,
) -> None:
    """Run the embedded engine without an app; register deployments with it later."""
    asyncio.run(_engine(ingress, admin, data_dir))


async def _engine(ingress: str, admin: str, data_dir: Path) -> None:
    from perdure.engine.runtime.options import EngineOptions
    from perdure.engine.server import EngineServer

    async with EngineServer(EngineOptions(data_dir=data_dir, ingress=ingress, admin=admin)) as running:
        lines = f"ingress  {running.ingress_url}\nadmin    {running.admin_url}\ndata     {data_dir}"
        print(lines, file=sys.stderr, flush=True)
        await running.run_until_stopped()
