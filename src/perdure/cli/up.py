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

_COUNT_MAX = 1000


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
    from perdure.engine.runtime.engine import Engine

    try:
        manifest = await ask_manifest(app)
    except DiscoveryFailed as error:
        raise CommandError(f"{target.place}:{target.attr} cannot be served: {error}") from error
    async with Engine(options) as engine:
        resumed = await asyncio.to_thread(_unfinished, engine.admin_url)
        await engine.serve_app(app, target.text)
        print_banner(
            target=target.text,
            manifest=manifest,
            ingress_url=engine.ingress_url,
            admin_url=engine.admin_url,
            data_dir=options.data_dir,
            resumed=resumed,
        )
        await engine.run_until_stopped()


def _unfinished(admin_url: str) -> str | None:
    """What an earlier life of this engine left unfinished, asked before its handlers are here."""
    from perdure.cli.admin_client import AdminClient

    with AdminClient(admin_url) as client:
        counts = [
            len(client.invocations(status=status, limit=_COUNT_MAX))
            for status in ("running", "backing-off", "suspended")
        ]
    if not any(counts):
        return None
    more = "+" if max(counts) == _COUNT_MAX else ""
    return f"{sum(counts)}{more} unfinished invocation{'s' if sum(counts) > 1 else ''}"
