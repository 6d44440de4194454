"""An answer as the chunks of the Chat Completions API.

A chunk cannot be taken back. When a model is asked again after a crash, the new text goes on where the old
one broke off if it begins with the same words. If it does not, the stream ends with an error, for a text that
nobody said is worse than none; the run goes on, and its answer can be fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from perdure.door.answer import Delta, Ended, Part, Step, Superseded
from perdure.errors import OpenAIRequestError

BETWEEN_PARTS = "\n\n"
"""Between what an agent says before a tool call and what it says after."""


async def chat_text(steps: AsyncIterator[Step]) -> AsyncIterator[str | Ended]:
    """The text, as it comes, and as the last thing how it ended.

    Raises OpenAIRequestError(502) where it cannot go on.
    """
    last: Part | None = None
    owed = ""
    """Sent already, in a part that was superseded: the next one has to begin with it."""
    async for step in steps:
        match step:
            case Delta(part, text) if owed:
                last = part
                if part.text.startswith(owed):
                    owed, text = "", part.text.removeprefix(owed)
                    if text:
                        yield text
                elif not owed.startswith(part.text):
                    raise _asked_again()
            case Delta(part, text):
                if last is not None and last is not part:
                    yield BETWEEN_PARTS
                last = part
                yield text
            case Superseded(part):
                if part is not last:
                    raise _asked_again()
                owed = owed or part.text
            case Ended(failed=None) if owed:
                raise _asked_again()
            case Ended():
                yield step


def _asked_again() -> OpenAIRequestError:
    return OpenAIRequestError(
        502,
        "the model was asked again after a crash, and its new answer begins in other words than those sent; "
        "the run goes on, and GET /v1/responses/{this id} has its answer",
        code="superseded",
    )
