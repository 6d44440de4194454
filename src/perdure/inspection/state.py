"""The state of one virtual object or workflow: its entries, and edits that lose nobody's writes.

Read by SQL, the same on both engines; written by the one route that replaces the whole state of a key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.sql_text import sql_text
from perdure.protocol.state_version import version_of

_SEEN_WITHIN_S = 5.0
_READ_AGAIN_S = 0.1
_TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a state. value: None where it is longer than was asked for; value_bytes: its size."""

    name: str
    value: bytes | None
    value_bytes: int


@dataclass(frozen=True, slots=True)
class EntryPage:
    """entries: all that the object has, or that were searched for, not only those of this page."""

    items: list[Entry]
    entries: int
    next: str | None


@dataclass(frozen=True, slots=True)
class State:
    """The whole state of one object."""

    entries: Mapping[str, bytes]
    version: str = field(init=False)

    def __post_init__(self) -> None:
        version = version_of({name.encode(): value for name, value in self.entries.items()})
        object.__setattr__(self, "version", version)


async def entries(
    api: AdminApi,
    service: str,
    key: str,
    *,
    text: str = "",
    without: Iterable[str] = (),
    after: str | None = None,
    limit: int = 100,
    value_bytes_max: int = 4_096,
) -> EntryPage:
    """Entries of one object, by name. Values that are longer than `value_bytes_max` stay where they are.

    text: only names that contain it. without: no names that begin with one of these.
    """
    where = of_object(service, key)
    where += "".join(f" AND NOT starts_with(key, {sql_text(prefix)})" for prefix in without)
    if text:
        where += f" AND strpos(key, {sql_text(text)}) > 0"
    counted = await api.query(f"SELECT count(*) AS entries FROM state WHERE {where}")
    if after is not None:
        where += f" AND key > {sql_text(after)}"
    items = await _entries(api, f"{where} ORDER BY key LIMIT {limit + 1}", value_bytes_max)
    return EntryPage(
        items[:limit], counted.rows[0]["entries"], items[limit - 1].name if len(items) > limit else None
    )


async def entries_named(
    api: AdminApi, service: str, key: str, names: Iterable[str], *, value_bytes_max: int
) -> dict[str, Entry]:
    """Those of these entries that there are."""
    listed = ", ".join(map(sql_text, names))
    if not listed:
        return {}
    found = await _entries(api, f"{of_object(service, key)} AND key IN ({listed})", value_bytes_max)
    return {entry.name: entry for entry in found}


async def entries_below(
    api: AdminApi, service: str, key: str, prefix: str, *, limit: int, value_bytes_max: int
) -> list[Entry]:
    """Entries whose names are `prefix` and a part without `/`, by name."""
    rest = f"substr(key, {len(prefix) + 1})"
    where = f"starts_with(key, {sql_text(prefix)}) AND strpos({rest}, '/') = 0 ORDER BY key LIMIT {limit}"
    return await _entries(api, f"{of_object(service, key)} AND {where}", value_bytes_max)


async def state(api: AdminApi, service: str, key: str) -> State:
    """The whole state, to edit it. Raises RequestError(422) if a name in it is no text."""
    found = await api.query(f"SELECT key, value FROM state WHERE {of_object(service, key)}")
    if any("key" not in row for row in found.rows):
        raise RequestError(422, f"the state of {service}/{key} has entries whose names are not UTF-8")
    return State({row["key"]: _bytes(row) for row in found.rows})


async def write_entry(
    api: AdminApi, service: str, key: str, name: str, *, before: bytes | None, after: bytes | None
) -> bool:
    """Set one entry, or remove it: `after` is None. before: the value that this was decided on; None: absent.

    Returns whether it is so by now: restate-server lets a write wait until no handler has the object.

    Raises RequestError(409) if another value is there by now, and while a handler has the object. Changes of
    other entries do no harm, and are kept.
    """
    for _ in range(_TRIES_MAX):
        now = await state(api, service, key)
        if now.entries.get(name) != before:
            raise RequestError(409, f"the entry {name!r} has changed since it was read")
        changed = {entry: value for entry, value in now.entries.items() if entry != name}
        if after is not None:
            changed[name] = after
        try:
            return await _write(api, service, key, changed, now)
        except RequestError as error:
            if error.status != 409 or await _holder(api, service, key) is not None:
                raise
    raise RequestError(409, f"the state of {service}/{key} changes faster than it can be edited: try again")


async def edit(
    api: AdminApi, service: str, key: str, changes: Mapping[str, bytes | None], version: str | None = None
) -> bool:
    """Set or, with None, remove entries. version: of the state that this was decided on; None: whatever is
    there by now. Returns and raises as `write_entry` does."""
    now = await state(api, service, key)
    if version not in (None, now.version):
        raise RequestError(409, f"the state of {service}/{key} has changed since it was read")
    changed = {name: value for name, value in {**now.entries, **changes}.items() if value is not None}
    return await _write(api, service, key, changed, now)


async def clear(api: AdminApi, service: str, key: str, version: str) -> bool:
    """Remove all entries of a state that is still `version`. Returns and raises as `write_entry` does."""
    now = await state(api, service, key)
    if now.version != version:
        raise RequestError(409, f"the state of {service}/{key} has changed since it was read")
    return await _write(api, service, key, {}, now)


async def _write(api: AdminApi, service: str, key: str, changed: Mapping[str, bytes], now: State) -> bool:
    if (await api.about()).is_perdure:
        await api.write_state(service, key, changed, now.version)
        return True
    # That one would put it into the inbox, and drop it in silence if the handler changes the state.
    if (holder := await _holder(api, service, key)) is not None:
        raise RequestError(
            409, f"{service}/{key} is in use by invocation {holder!r}: write when it has completed"
        )
    await api.write_state(service, key, changed, now.version)
    wanted = State(changed).version
    deadline = time.monotonic() + _SEEN_WITHIN_S
    while (await state(api, service, key)).version != wanted:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_READ_AGAIN_S)
    return True


async def _holder(api: AdminApi, service: str, key: str) -> str | None:
    found = await api.query(
        f"SELECT invocation_id FROM sys_keyed_service_status WHERE {of_object(service, key)} "
        "AND invocation_id IS NOT NULL"
    )
    return found.rows[0]["invocation_id"] if found.rows else None


async def _entries(api: AdminApi, where: str, value_bytes_max: int) -> list[Entry]:
    found = await api.query(
        "SELECT key, value_length, "
        f"CASE WHEN value_length <= {value_bytes_max} THEN value END AS value "
        f"FROM state WHERE key IS NOT NULL AND {where}"
    )
    return [
        Entry(
            row["key"],
            _bytes(row) if row["value_length"] <= value_bytes_max else None,
            row["value_length"],
        )
        for row in found.rows
    ]


def of_object(service: str, key: str) -> str:
    """The SQL condition for rows of one object."""
    return f"service_name = {sql_text(service)} AND service_key = {sql_text(key)}"


def _bytes(row: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(row.get("value", ""))
