"""`perdure engine`: the embedded engine alone; deployments are registered with it over the admin API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from perdure.cli import garbage_collection
from perdure.cli.logs import LogFormatOption, LogLevelOption, log_to_stderr
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
)
from perdure.cli.traces import send_traces

if TYPE_CHECKING:
    from perdure.engine.runtime.options import EngineOptions


def engine(
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
) -> None:
    """Run the embedded engine without an app; register deployments with it later.

    Example: perdure engine --data-dir /var/lib/perdure
    """
    from perdure.engine.runtime.options import EngineOptions

    log_to_stderr(log_format, log_level)
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
    asyncio.run(_engine(options))


async def _engine(options: EngineOptions) -> None:
    from perdure.cli.banner import print_banner
    from perdure.engine.server import EngineServer

    async with EngineServer(options) as server:
        print_banner(
            ingress_url=server.ingress_url,
            admin_url=server.admin_url,
            data_dir=options.data_dir,
            public_key=server.engine.registry.public_key,
        )
        garbage_collection.for_a_server()
        await server.run_until_stopped()
