"""`perdure up TARGET`: the embedded engine and the user's handlers, in one process."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli import garbage_collection
from perdure.cli.logs import HandlerLogs, LogFormatOption, LogLevelOption
from perdure.cli.options import (
    ADMIN_DEFAULT,
    CONCURRENCY_DEFAULT,
    DATA_DIR_DEFAULT,
    INGRESS_DEFAULT,
    JOURNAL_MIB_DEFAULT,
    MIB,
    AdminOption,
    AdvertisedIngressOption,
    ConcurrencyOption,
    CorsOption,
    DataDirOption,
    IdentityKeyOption,
    IngressOption,
    JournalOption,
    TargetArgument,
)
from perdure.cli.target import Target
from perdure.cli.traces import send_traces
from perdure.errors import CommandError, DiscoveryFailed

if TYPE_CHECKING:
    from perdure.engine.runtime.options import EngineOptions
    from perdure.engine.transport.asgi import AsgiApp


def up(
    target: TargetArgument,
    ingress: IngressOption = INGRESS_DEFAULT,
    admin: AdminOption = ADMIN_DEFAULT,
    data_dir: DataDirOption = DATA_DIR_DEFAULT,
    concurrency: ConcurrencyOption = CONCURRENCY_DEFAULT,
    journal_mib_max: JournalOption = JOURNAL_MIB_DEFAULT,
    cors_origin: CorsOption = None,
    request_identity_key: IdentityKeyOption = None,
    advertised_ingress: AdvertisedIngressOption = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Load TARGET again whenever a Python file in its folder changes.")
    ] = False,
) -> None:
    """Run the embedded engine and TARGET's handlers in one process.

    Example: perdure up agent.py --reload
    """
    from perdure.engine.runtime.options import EngineOptions

    if reload and os.name == "nt":
        raise CommandError("--reload needs Linux or macOS: start `perdure up` anew instead")
    parsed = Target.parse(target)
    # before a port is bound or a file opened: most mistakes are in here
    app = None if reload else parsed.load()
    logs = HandlerLogs(log_format, log_level, engine_tells_failures=True)
    logs.set_up()
    send_traces()
    options = EngineOptions(
        data_dir=data_dir,
        ingress=ingress,
        admin=admin,
        concurrent_attempts_max=concurrency,
        journal_bytes_max=journal_mib_max * MIB,
        cors_origins=tuple(cors_origin or ()),
        request_identity_key=request_identity_key,
        advertised_ingress=advertised_ingress,
    )
    if app is not None:
        asyncio.run(_up(app, parsed, options))
        return
    from perdure.cli.reload import up_reloading

    asyncio.run(up_reloading(parsed, options, logs))


async def _up(app: AsgiApp, target: Target, options: EngineOptions) -> None:
    from perdure.cli.banner import print_banner
    from perdure.engine.server import EngineServer

    async with EngineServer(options) as engine:
        try:
            deployment, resumed = await engine.serve_app(app, target.text)
        except DiscoveryFailed as error:
            raise CommandError(f"{target.place}:{target.attr} cannot be served: {error}") from error
        print_banner(
            target=target.text,
            manifest=deployment.manifest,
            ingress_url=engine.ingress_url,
            admin_url=engine.admin_url,
            data_dir=options.data_dir,
            resumed=resumed,
            public_key=engine.engine.registry.public_key,
        )
        garbage_collection.for_a_server()
        await engine.run_until_stopped()
