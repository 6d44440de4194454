"""`perdure chat TARGET|URL`: talk to an agent in the terminal, and see it think.

A line is a message, on a terminal and from a pipe alike. What is said belongs to the engine: leave with
Ctrl-C, or lose the engine, and the run goes on; the same `--key` goes on with the conversation.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from perdure.cli.options import DATA_DIR_DEFAULT, DataDirOption
from perdure.errors import CommandError, DiscoveryFailed

if TYPE_CHECKING:
    from perdure.cli.chat_partner import Partner
    from perdure.client import Client

_ANY_FREE_PORT = "127.0.0.1:0"


def chat(
    where: Annotated[
        str,
        typer.Argument(
            metavar="TARGET|URL",
            help="Your restate app (as of `perdure up`), or the ingress of an engine that runs.",
            show_default=False,
        ),
    ],
    service: Annotated[
        str | None, typer.Option("--service", metavar="NAME", help="Talk to this service.")
    ] = None,
    handler: Annotated[
        str | None, typer.Option("--handler", metavar="NAME", help="Talk to this handler.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="KEY", help="The conversation, of a virtual object. Default: a new one."
        ),
    ] = None,
    data_dir: DataDirOption = DATA_DIR_DEFAULT,
) -> None:
    """Chat with an agent: tokens, tool calls and all, through restarts of the engine.

    Example: perdure chat agent.py --key ada
    """
    ingress = _as_url(where)
    failed = asyncio.run(
        _chat(ingress, service, handler, key)
        if ingress is not None
        else _chat_here(where, data_dir, service, handler, key)
    )
    if failed:
        raise typer.Exit(1)


def _as_url(where: str) -> str | None:
    """The URL that `where` is, if it is no TARGET."""
    if where.startswith(("http://", "https://")):
        return where
    host, colon, port = where.rpartition(":")
    return f"http://{where}" if colon and host and port.isdigit() else None


async def _chat_here(
    text: str, data_dir: Path, service: str | None, handler: str | None, key: str | None
) -> bool:
    from perdure.cli.target import Target
    from perdure.engine.runtime.options import EngineOptions
    from perdure.engine.server import EngineServer

    target = Target.parse(text)
    app = target.load()
    logging.basicConfig(level=logging.ERROR)  # of retries the chat says nothing
    options = EngineOptions(data_dir=data_dir, ingress=_ANY_FREE_PORT, admin=_ANY_FREE_PORT)
    async with EngineServer(options) as engine:
        try:
            await engine.serve_app(app, target.text)
        except DiscoveryFailed as error:
            raise CommandError(f"{target.place}:{target.attr} cannot be served: {error}") from error
        return await _chat(engine.ingress_url, service, handler, key)


async def _chat(ingress: str, service: str | None, handler: str | None, key: str | None) -> bool:
    """Whether a turn failed."""
    from perdure.cli.chat_lines import lines
    from perdure.cli.chat_partner import find_partner
    from perdure.client import Client

    async with Client(ingress) as client:
        partner = await find_partner(ingress, service, handler, key)
        conversation = (key or uuid4().hex[:8]) if partner.keyed else None
        named = f", --key {conversation}" if conversation else ""
        print(f"{partner.target}{named} at {ingress}; Ctrl-C leaves", file=sys.stderr)
        failed = False
        async for line in lines("> "):
            if message := line.strip():
                failed |= not await _turn(client, partner, conversation, message)
        return failed


async def _turn(client: Client, partner: Partner, key: str | None, message: str) -> bool:
    """One message and its answer. False if the run failed."""
    from perdure.cli.chat_view import ChatView

    view = ChatView()
    sent = await client.send(partner.target, message, key=key)
    try:
        async for event in client.stream(sent):
            view.show(event)
    except asyncio.CancelledError:
        view.break_line()
        print(f"the run goes on: {sent.id}", file=sys.stderr)
        raise
    return not view.failed
