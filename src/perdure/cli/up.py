"""`perdure up TARGET`: the embedded engine and the user's handlers, in one process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from perdure.cli.options import (
    ADMIN_DEFAULT,
    DATA_DIR_DEFAULT,
    INGRESS_DEFAULT,
    AdminOption,
    DataDirOption,
    IngressOption,
    TargetArgument,
)
from perdure.cli.target import ASGIApp, Target
from perdure.errors import CommandError, DiscoveryFailed

if TYPE_CHECKING:
    from perdure.engine.runtime.options import EngineOptions


def up(
    target: TargetArgument,
    ingress: IngressOption = INGRESS_DEFAULT,
    admin: AdminOption = ADMIN_DEFAULT,
    data_dir: DataDirOption = DATA_DIR_DEFAULT,
) -> None:
    """Run the embedded engine and TARGET's handlers in one process."""
    from perdure.engine.runtime.options import EngineOptions

    parsed = Target.parse(target)
    app = parsed.load()  # before a port is bound or a file opened: most mistakes are in here
    asyncio.run(_up(app, parsed, EngineOptions(data_dir=data_dir, ingress=ingress, admin=admin)))


async def _up(app: ASGIApp, target: Target, options: EngineOptions) -> None:
    from perdure.cli.banner import print_banner
    from perdure.cli.manifest import ask_manifest
    from perdure.engine.server import EngineServer

    try:
        manifest = await ask_manifest(app)
    except DiscoveryFailed as error:
        raise CommandError(f"{target.place}:{target.attr} cannot be served: {error}") from error
    async with EngineServer(options) as engine:
        _, resumed = await engine.serve_app(app, target.text)
        print_banner(
            target=target.text,
            manifest=manifest,
            ingress_url=engine.ingress_url,
            admin_url=engine.admin_url,
            data_dir=options.data_dir,
            resumed=f"{resumed} unfinished invocation{'s' * (resumed > 1)}" if resumed else None,
        )
        await engine.run_until_stopped()
