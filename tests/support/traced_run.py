"""One process of a traced agent run: `traced_run.py JOURNAL EVENTS [kill]`.

It goes on from the journal file, if there is one, and writes a line for each call of a trace processor. With
`kill` it dies of SIGKILL inside of the second tool, after what the engine knows is in the journal file.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from agent_invocation import asking
from agents import Agent, function_tool, set_trace_processors
from agents.tracing import Span, Trace, TracingProcessor
from journal_server import value_of

from perdure.protocol.frames import FrameDecoder, encode_frame
from perdure.testing.scripted_model import ScriptedModel, ToolCall


class Writer(TracingProcessor):
    def __init__(self, path: Path) -> None:
        self._path = path

    def _write(self, event: str, item: Any) -> None:
        line = {"process": os.getpid(), "event": event, **item.export()}
        with self._path.open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def on_trace_start(self, trace: Trace) -> None:
        self._write("start", trace)

    def on_trace_end(self, trace: Trace) -> None:
        self._write("end", trace)

    def on_span_start(self, span: Span[Any]) -> None:
        self._write("start", span)

    def on_span_end(self, span: Span[Any]) -> None:
        self._write("end", span)

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...


def main(journal: Path, events: Path, kill: bool) -> None:
    set_trace_processors([Writer(events)])

    @function_tool
    async def first() -> str:
        return "1"

    @function_tool
    def second() -> str:
        if kill:
            journal.write_bytes(b"".join(encode_frame(f.type, f.payload, f.flags) for f in server.journal))
            os.kill(os.getpid(), signal.SIGKILL)
        return "2"

    model = ScriptedModel([ToolCall("first"), ToolCall("second"), "done"])
    server = asking(Agent(name="A", tools=[first, second], model=model), suspend_always=False)
    if journal.exists():
        server.resume_from(list(FrameDecoder().feed(journal.read_bytes())))
    assert value_of(asyncio.run(server.run())) == "done"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["kill"])
