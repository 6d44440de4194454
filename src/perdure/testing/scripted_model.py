"""A model that answers from a script, for tests.

Which turn of the script comes next is read off the conversation, not counted: a process that was killed and
started again answers as the first one would have. The calls are counted, so that a test can tell who was
asked.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents import Model, ModelResponse, TResponseInputItem, Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from perdure.testing.response_events import DELTAS, response_events

Input = str | list[TResponseInputItem]

# Items of a conversation that a model made; all that come from one answer stand in a row.
_MODEL_ITEMS = frozenset({"message", "function_call", "reasoning"})


@dataclass(frozen=True)
class ToolCall:
    """The model asks for a function tool (or, by the name `transfer_to_...`, for a handoff)."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Turn = str | ToolCall | Sequence[ToolCall] | Callable[[Input], "str | ToolCall | Sequence[ToolCall]"]
"""One answer: a final text, one or several tool calls, or a function of the conversation."""


class ScriptedModel(Model):
    """Answers the first question of a conversation with the first turn, and so on; the last turn repeats.

    turns: the script.
    before_answer: awaited on each call with the number of the turn, from 0; raise in it to fail the call.
    before_token: awaited in a streamed call before each word, with the numbers of the turn and of the word,
        both from 0; sleep in it to set the pace, raise in it to break the stream off.
    calls: the turns that were asked for, in order. One entry a call, also of a call that failed.
    """

    def __init__(
        self,
        turns: Sequence[Turn],
        before_answer: Callable[[int], Awaitable[None]] | None = None,
        before_token: Callable[[int, int], Awaitable[None]] | None = None,
    ) -> None:
        if not turns:
            raise ValueError("a scripted model needs at least one turn")
        self.turns = list(turns)
        self.calls: list[int] = []
        self._before_answer = before_answer
        self._before_token = before_token

    async def get_response(
        self,
        system_instructions: str | None,
        input: Input,  # noqa: A002 - the SDK's name
        *_args: Any,
        **_options: Any,
    ) -> ModelResponse:
        """The answer to `input`. The other parameters of `agents.Model` are taken and ignored."""
        _, answer = await self._ask(input)
        return answer

    async def stream_response(
        self,
        system_instructions: str | None,
        input: Input,  # noqa: A002 - the SDK's name
        *_args: Any,
        **_options: Any,
    ) -> AsyncIterator[Any]:
        """The same answer, word by word, as events of the Responses API."""
        at, answer = await self._ask(input)
        token = 0
        for event in response_events(answer):
            if event.type in DELTAS:
                if self._before_token is not None:
                    await self._before_token(at, token)
                token += 1
            yield event

    async def _ask(self, input: Input) -> tuple[int, ModelResponse]:  # noqa: A002
        at = min(_answers_in(input), len(self.turns) - 1)
        self.calls.append(at)
        if self._before_answer is not None:
            await self._before_answer(at)
        turn = self.turns[at]
        if callable(turn):
            turn = turn(input)
        calls = [turn] if isinstance(turn, ToolCall) else turn
        output: list[Any] = (
            [_message(at, calls)]
            if isinstance(calls, str)
            else [_function_call(at, number, call) for number, call in enumerate(calls)]
        )
        usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
        return at, ModelResponse(output=output, usage=usage, response_id=f"resp_{at}")


def _answers_in(conversation: Input) -> int:
    """How many answers of a model the conversation holds."""
    if isinstance(conversation, str):
        return 0
    made = [_is_of_model(item) for item in conversation]
    return sum(mine and not before for mine, before in zip(made, [False, *made], strict=False))


def _is_of_model(item: Any) -> bool:
    kind = item.get("type", "message")
    return kind in _MODEL_ITEMS and (kind != "message" or item.get("role") == "assistant")


def _message(at: int, text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(
        id=f"msg_{at}", type="message", role="assistant", status="completed", content=[part]
    )


def _function_call(at: int, number: int, call: ToolCall) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call",
        id=f"fc_{at}_{number}",
        call_id=f"call_{at}_{number}",
        name=call.name,
        arguments=json.dumps(dict(call.arguments)),
    )
