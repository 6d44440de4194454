"""The human whom an invocation on a JournalServer waits for: reads what was announced, and decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from journal_server import JournalServer

from perdure.protocol.messages import MessageType

Decide = Callable[[dict[str, Any]], bytes | str | None]


def announced(server: JournalServer) -> list[dict[str, Any]]:
    """What `approval ...` entries hold, in their order."""
    values = {c.completion_id: c.value.content for c in server.entries(MessageType.RUN_COMPLETION)}
    return [
        json.loads(values[command.result_completion_id])["ok"]
        for command in server.entries(MessageType.RUN)
        if command.name.startswith("approval ") and command.result_completion_id in values
    ]


async def suspended(server: JournalServer) -> Any:
    """Make attempts until there is an output, which is returned, or only a human can help."""
    while True:
        known = len(server.journal)
        output = await server.attempt()
        if output is not None or (len(server.journal) == known and not server.waiting):
            return output


async def decided_by(server: JournalServer, decide: Decide, *, backwards: bool = False) -> Any:
    """The output of an invocation. Whenever it waits for a human, `decide` says what is posted for each
    question: a body, an exception's text (the awakeable is rejected), or None for not yet.
    """
    seen: set[str] = set()
    while (output := await suspended(server)) is None:
        open_questions = [each for each in announced(server) if each["awakeable_id"] not in seen]
        assert open_questions, f"waits for nobody: {server.commands()}"
        for question in reversed(open_questions) if backwards else open_questions:
            seen.add(question["awakeable_id"])
            match decide(question):
                case bytes(body):
                    server.resolve_awakeable(question["awakeable_id"], body)
                case str(reason):
                    server.reject_awakeable(question["awakeable_id"], reason)
    return output
