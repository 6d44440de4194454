"""A stream as plain text, for people: what the model says, as it comes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from perdure.streams.assemble import superseded_by
from perdure.streams.events import RUN, StreamEvent

TEXT = "text"
ASKED_AGAIN = "\n[the model was asked again]\n"


@dataclass(slots=True)
class _Source:
    """What a source has said since its latest attempt began, and what of an earlier one stands printed."""

    said: str = ""
    stale: str = ""


class TextView:
    """Print what `add` returns, event by event from the first on.

    Paper cannot be taken back. When the model was asked again after a crash and says what is printed already,
    nothing is printed until it says more. Where it says something else, a line tells so, and its text follows
    anew.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def add(self, event: StreamEvent) -> str:
        """The text to print for the next event."""
        if (superseded := superseded_by(event)) is not None:
            self._supersede(superseded[0])
            return ""
        text = ""
        if event.source == RUN:  # it follows from the record, so all that was said before is complete
            text = "".join(_print_anew(source) for source in self._sources.values() if source.stale)
        if event.type == TEXT:
            said = json.loads(event.payload)
            if "depth" not in said:  # an agent that another one asks is not talking to the reader
                text += self._say(event.source, str(said.get("delta", "")))
        return text

    def _supersede(self, name: str) -> None:
        source = self._sources.setdefault(name, _Source())
        # The attempt that is over may have been repeating one before it, and not have come as far.
        source.stale, source.said = max(source.stale, source.said, key=len), ""

    def _say(self, name: str, delta: str) -> str:
        source = self._sources.setdefault(name, _Source())
        source.said += delta
        if not source.stale:
            return delta
        if source.stale.startswith(source.said):
            return ""
        if source.said.startswith(source.stale):
            more = source.said.removeprefix(source.stale)
            source.stale = ""
            return more
        return _print_anew(source)


def _print_anew(source: _Source) -> str:
    repeated, source.stale = source.said == source.stale, ""
    return "" if repeated else ASKED_AGAIN + source.said
