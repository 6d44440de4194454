"""One turn of a chat, printed as its events come."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

from perdure.stream_answers.text_view import TextView
from perdure.streams.events import END, StreamEvent
from perdure.ui.text import plain

_ARGUMENTS_CHARS_MAX = 200


class ChatView:
    """Text as it is said, a line for each tool call, and the output where nothing was said."""

    def __init__(self) -> None:
        self.failed = False
        self._out = Console(highlight=False, soft_wrap=True)
        self._text = TextView()
        self._in_a_line = False
        self._said = False

    def show(self, event: StreamEvent) -> None:
        if text := self._text.add(event):
            self._said = True
            self._out.print(self._shown(text), end="")
            self._in_a_line = not text.endswith("\n")
        told = event.data
        if "depth" in told:
            return
        match event.type:
            case "message":
                self.break_line()
            case "tool_call":
                self._note(f"{told.get('name')}({_short(told.get('arguments'))})")
            case "tool_result":
                self._note(f"{told.get('name')} -> {_short(told.get('output'))}")
            case "handoff":
                self._note(f"{told.get('from')} hands over to {told.get('to')}")
            case "approval":
                self._note("waits for approval: `perdure approvals list` shows the call")
            case kind if kind == END:
                self._end(told)

    def break_line(self) -> None:
        if self._in_a_line:
            self._out.print()
            self._in_a_line = False

    def _end(self, told: dict[str, object]) -> None:
        self.break_line()
        if told["status"] == "failed":
            self.failed = True
            self._out.print(self._shown(f"failed ({told['code']}): {told['message']}", style="red"))
        elif not self._said:
            output = told["output"]
            self._out.print(self._shown(output if isinstance(output, str) else json.dumps(output)))

    def _note(self, text: str) -> None:
        self.break_line()
        self._out.print(self._shown(f"[{text}]", style="dim"))

    def _shown(self, text: str, style: str = "") -> Text:
        """A model's words are no commands to a terminal; a pipe gets them as they are."""
        return Text(plain(text) if self._out.is_terminal else text, style=style)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= _ARGUMENTS_CHARS_MAX else line[: _ARGUMENTS_CHARS_MAX - 1] + "…"
