"""Services in two versions, VERSION 1 and 2: one with another set of handlers, one of another type."""

from __future__ import annotations

import os
from pathlib import Path

import restate
from restate import RunOptions

VERSION = int(os.environ["VERSION"])
NOTES = Path(os.environ["NOTES_DIRECTORY"])

versioned = restate.Service("Versioned")


def note(label: str, name: str) -> None:
    (NOTES / label).write_text(name)


@versioned.handler()
async def version(ctx: restate.Context) -> int:
    return VERSION


@versioned.handler()
async def before_and_after(ctx: restate.Context, label: str) -> list:
    """The version before and after an awakeable, whose name is noted."""
    before = await ctx.run_typed("before", lambda: VERSION)
    name, answer = ctx.awakeable()
    await ctx.run_typed("name", note, RunOptions(), label, name)
    await answer
    return [before, VERSION]


async def only_here(ctx: restate.Context) -> int:
    return VERSION


versioned.handler(f"only_in_{VERSION}")(only_here)

kind = restate.Service("Kind") if VERSION == 1 else restate.VirtualObject("Kind")


async def what(ctx: restate.Context) -> int:
    return VERSION


kind.handler("what")(what)

app = restate.app([versioned, kind])
