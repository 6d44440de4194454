"""What a run says of itself in its stream, as the parts that a person reads: texts, tool calls, questions.

A part is made once and changed as events come: a text grows, a tool call gets its result. What a dead attempt
of a step had said is taken back, as `perdure.streams` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from perdure.streams.assemble import superseded_by
from perdure.streams.events import END, TEXT, StreamEvent

PARTS_MAX = 400
"""Of a run that says more, the newest are shown."""

Kind = Literal["text", "reasoning", "tool", "handoff", "approval", "output", "failure", "event"]
_SILENT = {"agent", "model_call"}


@dataclass(slots=True)
class Part:
    """One thing to read. `facts` are those of its event; depth: in how many other runs its run is.

    is_settled: it changes no more: the text is complete, the tool has answered, the question is decided.
    """

    id: str
    kind: Kind
    facts: dict[str, Any]
    agent: str | None = None
    depth: int = 0
    is_settled: bool = False
    said: list[tuple[str, int, str]] = field(default_factory=list)  # source, index, words

    @property
    def text(self) -> str:
        return "".join(words for _, _, words in self.said)


class Transcript:
    """Feed it the events of a default stream, from the first on.

    end: how the run ended. activity: what it does now, in words; None once it has ended.
    """

    def __init__(self) -> None:
        self.end: dict[str, Any] | None = None
        self.activity: str | None = "at work"
        self.hidden = 0
        self._parts: dict[str, Part] = {}
        self._sources: dict[str, set[str]] = {}  # the parts that a source brought
        self._calls: dict[tuple[int, object], Part] = {}  # by depth and the id of the call, the latest
        self._speaker: dict[int, str] = {}  # the agent whose model was asked last, by depth

    def parts(self) -> list[Part]:
        """In the order in which they began."""
        return list(self._parts.values())

    def add(self, event: StreamEvent) -> set[str]:
        """The ids of the parts that changed, came or went."""
        if (superseded := superseded_by(event)) is not None:
            return self._take_back(*superseded)
        facts = event.data
        changed = set(self._tell(event, facts))
        for name in changed:
            self._sources.setdefault(event.source, set()).add(name)
        return changed | self._forget()

    def _tell(self, event: StreamEvent, facts: dict[str, Any]) -> Iterator[str]:
        depth = facts.get("depth")
        depth = depth if isinstance(depth, int) else 0
        match event.type:
            case "text" | "reasoning":
                yield self._say(event, facts, depth)
            case "message":
                yield from self._complete(event, facts, depth)
            case "tool_call":
                self.activity = f"calling {facts.get('name')}"
                call = self._part("tool", f"e{event.index}", facts, depth)
                self._calls[depth, facts.get("call_id")] = call
                yield call.id
            case "tool_result":
                yield from self._answer(event, facts, depth)
            case "handoff":
                yield self._part("handoff", f"e{event.index}", facts, depth, is_settled=True).id
            case "approval":
                self.activity = "waiting for a human"
                yield self._part("approval", f"e{event.index}", facts, depth).id
                for (_, call_id), call in self._calls.items():
                    if call_id == facts.get("call_id") and not call.is_settled:
                        call.facts = {**call.facts, "waits": True}
                        yield call.id
            case "output":
                if (part := self._output(f"e{event.index}", facts.get("value"))) is not None:
                    yield part.id
            case kind if kind == END:
                yield from self._end(event, facts)
            case kind if kind in _SILENT:
                self._speaker[depth] = str(facts.get("agent") or facts.get("name"))
                self.activity = f"{self._speaker[depth]} is thinking"
            case kind:
                told = {"type": kind, "data": facts}
                yield self._part("event", f"e{event.index}", told, depth, is_settled=True).id

    def _part(
        self, kind: Kind, name: str, facts: dict[str, Any], depth: int = 0, *, is_settled: bool = False
    ) -> Part:
        known = self._parts.get(name)
        if known is None:
            agent = facts.get("agent")
            speaker = agent if isinstance(agent, str) else self._speaker.get(depth)
            known = self._parts[name] = Part(name, kind, facts, speaker, depth, is_settled)
        return known

    def _say(self, event: StreamEvent, facts: dict[str, Any], depth: int) -> str:
        kind: Kind = "text" if event.type == TEXT else "reasoning"
        self.activity = (
            f"{self._speaker.get(depth, 'the model')} is {'writing' if kind == 'text' else 'thinking'}"
        )
        # A name of the source's own: two models may speak at once, and item ids are the provider's.
        part = self._part(kind, f"{kind}-{event.source}-{facts.get('item')}", {}, depth)
        part.said.append((event.source, event.index, str(facts.get("delta", ""))))
        return part.id

    def _complete(self, event: StreamEvent, facts: dict[str, Any], depth: int) -> Iterator[str]:
        """A message is there as a whole; its words were said before, if a model streamed them."""
        whole = str(facts.get("text", ""))
        spoken = (
            part for part in reversed(self._parts.values()) if part.kind == "text" and part.depth == depth
        )
        part = next(spoken, None)
        if part is None or part.is_settled or part.text != whole:
            if not whole:
                return
            part = self._part("text", f"e{event.index}", facts, depth)
            part.said = [(event.source, event.index, whole)]
        part.is_settled = True
        part.agent = str(facts["agent"]) if "agent" in facts else part.agent
        yield part.id

    def _answer(self, event: StreamEvent, facts: dict[str, Any], depth: int) -> Iterator[str]:
        call_id = facts.get("call_id")
        self.activity = "going on"
        part = self._calls.get((depth, call_id)) or self._part("tool", f"e{event.index}", facts, depth)
        part.facts = {**part.facts, "output": facts.get("output"), "answered": True}
        part.is_settled = True
        yield part.id
        for each in self._parts.values():
            if each.kind == "approval" and each.facts.get("call_id") == call_id and call_id is not None:
                each.is_settled = True
                yield each.id

    def _output(self, name: str, value: object) -> Part | None:
        """The final output, where nothing that was said is it."""
        said = any(
            part.kind == "text" and part.depth == 0 and part.text == value for part in self._parts.values()
        )
        known = any(part.kind == "output" and part.facts["value"] == value for part in self._parts.values())
        return None if said or known else self._part("output", name, {"value": value}, is_settled=True)

    def _end(self, event: StreamEvent, facts: dict[str, Any]) -> Iterator[str]:
        self.end, self.activity = facts, None
        if facts["status"] == "failed":
            yield self._part("failure", "end", facts, is_settled=True).id
        elif (part := self._output("end", facts["output"])) is not None:
            yield part.id
        for part in self._parts.values():
            if not part.is_settled:
                part.is_settled = True
                yield part.id

    def _take_back(self, source: str, index: int) -> set[str]:
        changed = set()
        for name in self._sources.get(source, set()):
            part = self._parts.get(name)
            if part is None:
                continue
            if part.kind in ("text", "reasoning"):
                kept = [each for each in part.said if each[0] != source or each[1] < index]
                gone = len(kept) < len(part.said)
                part.said = kept
            else:
                gone = name.startswith("e") and int(name[1:]) >= index
                kept = []
            if gone:
                changed.add(name)
                if not kept:
                    del self._parts[name]
        self._sources[source] = self._sources.get(source, set()) & self._parts.keys()
        return changed

    def _forget(self) -> set[str]:
        gone = set()
        while len(self._parts) > PARTS_MAX:
            oldest = next(iter(self._parts))
            del self._parts[oldest]
            self.hidden += 1
            gone.add(oldest)
        return gone
