"""`perdure engine`: the embedded engine alone; deployments are registered with it over the admin API."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from perdure.cli.options import (
    ADMIN_DEFAULT,
    DATA_DIR_DEFAULT,
    INGRESS_DEFAULT,
    AdminOption,
    DataDirOption,
    IngressOption,
)
from perdure.cli.up import LOG_FORMAT

if TYPE_CHECKING:
    from perdure.engine.runtime.options import EngineOptions


def engine(
    ingress: IngressOption = INGRESS_DEFAULT,
    admin: AdminOption = ADMIN_DEFAULT,
    data_dir: DataDirOption = DATA_DIR_DEFAULT,
) -> None:
    """Run the embedded engine without an app; register deployments with it later."""
    from perdure.engine.runtime.options import EngineOptions

    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    asyncio.run(_engine(EngineOptions(data_dir=data_dir, ingress=ingress, admin=admin)))


async def _engine(options: EngineOptions) -> None:
    from perdure.cli.banner import print_banner
    from perdure.engine.server import EngineServer

    async with EngineServer(options) as server:
        print_banner(ingress_url=server.ingress_url, admin_url=server.admin_url, data_dir=options.data_dir)
        await server.run_until_stopped()
