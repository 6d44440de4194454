"""The sessions in a state, read a part at a time: a conversation may be as long as it likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perdure.inspection import state
from perdure.inspection.admin_api import AdminApi
from perdure.ui import session_view
from perdure.ui.session_view import Turn

SESSIONS_MAX = 20
ITEMS_A_PAGE = 40
ITEM_BYTES_MAX = 256 * 1024
_HEAD_BYTES_MAX = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A session and the turns of a part of it, of items `start` to `end` of `length`.

    too_large: items of that part that are not read, with their sizes.
    """

    name: str
    length: int
    start: int
    end: int
    turns: list[Turn]
    too_large: Mapping[int, int]


async def sessions(api: AdminApi, service: str, key: str, until: Mapping[str, int]) -> list[Session]:
    """Those in the state of an object, by name. until: of a session, the item at which its part ends."""
    heads = await state.entries_below(
        api, service, key, session_view.PREFIX, limit=SESSIONS_MAX, value_bytes_max=_HEAD_BYTES_MAX
    )
    lengths = {
        name: length
        for head in heads
        if (name := session_view.session_name(head.name)) is not None
        and head.value is not None
        and (length := session_view.length(head.value)) is not None
    }
    return [await _part(api, service, key, name, length, until.get(name)) for name, length in lengths.items()]


async def _part(api: AdminApi, service: str, key: str, name: str, length: int, until: int | None) -> Session:
    end = length if until is None else max(0, min(until, length))
    start = max(0, end - ITEMS_A_PAGE)
    names = {session_view.item_name(name, at): at for at in range(start, end)}
    found = await state.entries_named(api, service, key, names, value_bytes_max=ITEM_BYTES_MAX)
    values = {names[entry.name]: entry.value for entry in found.values() if entry.value is not None}
    too_large = {names[entry.name]: entry.value_bytes for entry in found.values() if entry.value is None}
    return Session(name, length, start, end, session_view.conversation(values), too_large)
