"""A conversation with a handler: the messages that were sent to it, and what each run answered.

Nothing is kept for it: its turns are invocations. Those of a virtual object belong together by their key. A
service has none, so a conversation's name is part of the idempotency keys of its turns.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import datetime

from perdure.errors import ClientError, RequestError
from perdure.inspection import invocation_list
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import InvocationFilter
from perdure.inspection.journal import journal
from perdure.inspection.records import Invocation
from perdure.ui.ingress import Ingress
from perdure.ui.transcript import Transcript
from perdure.ui.watch import Watched

TURNS_SHOWN = 20
_LOOKED_AT = 200
"""Among so many invocations a handler's latest conversations are looked for."""
_READ_AT_ONCE = 6
_READ_WITHIN_S = 5.0
_PREFIX = "chat-"
_NAME = re.compile(r"[0-9a-z]{4,32}")
_NAMED = re.compile(rf"{_PREFIX}({_NAME.pattern})-[0-9a-z]+")


@dataclass(frozen=True, slots=True)
class Partner:
    """A handler that takes a text. keyed: of a virtual object, whose key is the conversation."""

    service: str
    handler: str
    documentation: str | None
    keyed: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One message and its run.

    message: None while it is not known. transcript: None while the run goes on. missing: of it, and why.
    """

    invocation: Invocation
    message: str | None
    transcript: Transcript | None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Turns:
    """Oldest first. older: the cursor of those before them."""

    turns: list[Turn]
    older: str | None


def is_name(text: str, partner: Partner) -> bool:
    """Whether a conversation can be called so: a key may be anything, a name of ours goes into other keys."""
    return bool(text) if partner.keyed else _NAME.fullmatch(text) is not None


def idempotency_key(partner: Partner, name: str, nonce: str) -> str:
    """Of a message, so that a form that is sent twice is one."""
    return f"{_PREFIX}{nonce}" if partner.keyed else f"{_PREFIX}{name}-{nonce}"


async def turns(
    api: AdminApi, ingress: Ingress, partner: Partner, name: str, cursor: str | None = None
) -> Turns:
    """The newest turns, or those at a cursor."""
    wanted = InvocationFilter(
        service=partner.service,
        handler=partner.handler,
        key=name if partner.keyed else None,
        text=None if partner.keyed else f"{_PREFIX}{name}-",
    )
    found = await invocation_list.page(api, wanted, cursor, TURNS_SHOWN)
    limit = asyncio.Semaphore(_READ_AT_ONCE)
    read = [_turn(api, ingress, each, limit) for each in reversed(found.items)]
    return Turns(list(await asyncio.gather(*read)), found.next)


async def latest(api: AdminApi, partner: Partner) -> dict[str, datetime]:
    """The latest conversations with a partner, newest first: their names, and when each had a message."""
    wanted = InvocationFilter(
        service=partner.service, handler=partner.handler, text=None if partner.keyed else _PREFIX
    )
    spoken: dict[str, datetime] = {}
    for each in (await invocation_list.page(api, wanted, None, _LOOKED_AT)).items:
        found = _NAMED.fullmatch(each.idempotency_key or "")
        name = each.key if partner.keyed else found[1] if found else None
        if name:
            spoken.setdefault(name, each.created_at)
    return spoken


async def _turn(api: AdminApi, ingress: Ingress, invocation: Invocation, limit: asyncio.Semaphore) -> Turn:
    async with limit:
        message = await _message(api, invocation.id)
        if invocation.status != "completed":
            return Turn(invocation, message, None)
        watched = Watched(ingress, invocation.id)
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                await watched.read()
        except (TimeoutError, ClientError):  # a browser that watches may have more patience
            return Turn(invocation, message, None)
        return Turn(invocation, message, watched.transcript, watched.missing)


async def _message(api: AdminApi, invocation_id: str) -> str | None:
    try:
        steps = (await journal(api, invocation_id, 0, 1)).steps
    except RequestError:  # it was purged since it was listed
        return None
    if not steps or steps[0].kind != "input" or steps[0].value is None:
        return None
    text = steps[0].value.decode(errors="replace")
    if steps[0].is_cut:
        return text + "…"
    try:
        said = json.loads(text)
    except ValueError:
        return text
    return said if isinstance(said, str) else text
