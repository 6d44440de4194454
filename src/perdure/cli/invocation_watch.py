"""`perdure invocations watch`: a tree or a table that follows what happens; in a pipe, the end of it.

The engine may be restarted meanwhile: the picture stays, a line says that nobody answers, and it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from perdure.cli.admin import ask
from perdure.cli.invocation_table import table_of
from perdure.cli.journal_tree import Node, rendered, tree_of
from perdure.cli.terminal import console
from perdure.errors import CommandError, EngineUnreachable
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import InvocationFilter, page
from perdure.inspection.records import Invocation

T = TypeVar("T")

_EVERY_S = 0.5
_ROWS_BESIDE_TABLE = 3


def watch_one(admin: str, invocation_id: str, depth: int, *, quiet: bool) -> Invocation:
    """Until it has completed. `quiet`: nothing is printed.

    Raises RequestError(404), also when it was purged meanwhile.
    """
    out = console()

    async def follow(api: AdminApi) -> Invocation:
        async def look() -> Node:
            return await tree_of(api, invocation_id, depth)

        node = await look()
        with Live(console=out, auto_refresh=False, transient=True) as live:
            while node.invocation.status != "completed":
                if out.is_terminal and not quiet:
                    live.update(_bottom(rendered(node), out.height), refresh=True)
                await asyncio.sleep(_EVERY_S)
                node = await _answered(look, live)
        if not quiet:
            out.print(rendered(node))
        return node.invocation

    return ask(admin, follow)


def watch_list(admin: str, wanted: InvocationFilter) -> None:
    """Until Ctrl-C. Raises CommandError where there is no terminal."""
    out = console()
    if not out.is_terminal:
        raise CommandError("watch without an ID needs a terminal; `perdure invocations list` prints once")

    async def follow(api: AdminApi) -> None:
        async def look() -> list[Invocation]:
            return (await page(api, wanted, limit=max(out.height - _ROWS_BESIDE_TABLE, 1))).items

        found = await look()
        with Live(console=out, auto_refresh=False, screen=True) as live:
            while True:
                live.update(table_of(found) if found else Text("no invocations"), refresh=True)
                await asyncio.sleep(_EVERY_S)
                found = await _answered(look, live)

    with suppress(KeyboardInterrupt):  # how it is left
        ask(admin, follow)


async def _answered(look: Callable[[], Awaitable[T]], live: Live) -> T:
    """What `look` brings, as soon as the engine answers again."""
    picture = live.get_renderable()
    while True:
        try:
            return await look()
        except EngineUnreachable as error:
            live.update(Group(picture, Text(f"{error}; trying again", style="red")), refresh=True)
            await asyncio.sleep(_EVERY_S)


def _bottom(picture: RenderableType, height: int) -> RenderableType:
    """What happens now is at the end of a tree: of one that is taller than the terminal, the end is shown."""
    lines = console().render_lines(picture, pad=False)
    shown = lines[-(height - 1) :]
    return Text("\n").join(Text.assemble(*((s.text, s.style or "") for s in line)) for line in shown)
