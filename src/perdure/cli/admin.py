"""Ask an engine's admin API, from a command that is not async."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from perdure.errors import CommandError

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi

T = TypeVar("T")

_INVOCATION_ID = re.compile(r"inv_[0-9A-Za-z]+")


def ask(address: str, question: Callable[[AdminApi], Awaitable[T]]) -> T:
    """What `question(api)` answers. Raises what AdminApi raises."""
    from perdure.inspection.admin_api import AdminApi

    async def asked() -> T:
        async with AdminApi(address) as api:
            return await question(api)

    return asyncio.run(asked())


def checked_id(text: str) -> str:
    """An invocation id as it stands. Raises CommandError for what cannot be one."""
    if not _INVOCATION_ID.fullmatch(text):
        raise CommandError(
            f"{text!r} is not an invocation id (inv_...): `perdure invocations list` shows them"
        )
    return text
