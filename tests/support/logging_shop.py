"""A shop that logs at every turn of an order: on the loop, in a step, in a thread. It suspends if it can."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import timedelta
from pathlib import Path

import restate

from perdure.durable import run, step

log = logging.getLogger("shop")
service = restate.Service("Shop", inactivity_timeout=timedelta(0))
failed_once = Path(os.environ.get("SHOP_DIRECTORY", ".")) / "failed-once"


async def pay(item: str) -> str:
    log.warning("paying for %s", item, extra={"item": item})
    return "paid"


def pack(item: str) -> str:
    log.warning("packing %s", item)
    return "packed"


@service.handler()
async def order(ctx: restate.Context, item: str) -> str:
    async def main() -> str:
        log.warning("ordered %s", item)
        await step("pay", pay, item)
        log.warning("paid")
        await asyncio.sleep(0.01)
        log.warning("rested")
        return await step("pack", pack, item)

    return await run(ctx, main)


@service.handler()
async def stumble(ctx: restate.Context, item: str) -> str:
    if not failed_once.exists():
        failed_once.touch()
        raise ValueError(f"no {item} in stock")
    return "found"


app = restate.app([service])
