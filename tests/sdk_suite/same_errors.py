"""The very errors that a test raised, in the place of the equal ones that came out of the journal.

What a session, a model or a hook raises is journaled, and a run raises what the journal gives back: an error
of the same class, with the same arguments and attributes. The SDK's tests ask `caught.value is failure`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from perdure.durable.step import Try, not_final

_raised: list[BaseException] = []
_outcome = Try._outcome


def _noting(self: Try[Any], closure: asyncio.Task[Any]) -> dict[str, Any]:
    if not closure.cancelled() and (error := closure.exception()) is not None:
        _raised.append(error)
    return _outcome(self, closure)


def remember() -> None:
    """Note the errors of all steps from now on."""
    Try._outcome = _noting  # type: ignore[method-assign]


def as_raised(error: BaseException) -> BaseException:
    """`error`, and in its chain of causes, those that were raised where these are equal to them.

    Without the TerminalError at the end of the chain, which tells Restate not to try again.
    """
    not_final(error)
    same = next((raised for raised in reversed(_raised) if _equal(raised, error)), error)
    if same is not error:
        vars(same).update(vars(error))
        same.__context__ = error.__context__  # what was handled where it was raised on the loop
    elif error.__cause__ is not None:
        error.__cause__ = as_raised(error.__cause__)
    return same


def _equal(raised: BaseException, error: BaseException) -> bool:
    return (
        type(raised) is type(error)
        and raised.args == error.args
        and all(vars(error).get(name) == value for name, value in vars(raised).items())
    )
