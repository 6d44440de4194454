"""The agent under the clock: a model that answers at once and asks for a tool that does nothing.

Imports the Agents SDK and nothing else: every contender's process uses it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, TypedDict

from agents import Agent, FunctionTool, Model, ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText


class Order(TypedDict):
    """A run of `turns` turns; in each the model asks for `tools` tool calls at once."""

    turns: int
    tools: int


class Script(Model):
    """Reads off the conversation which turn comes next, so it holds no state."""

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002 - the SDK's name
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        order: Order = json.loads(input if isinstance(input, str) else input[0]["content"])
        asked = 0 if isinstance(input, str) else sum(item.get("type") == "function_call" for item in input)
        turn = asked // order["tools"]
        output: list[Any] = [_call(turn, n) for n in range(order["tools"])]
        if turn == order["turns"]:
            output = [_answer(turn)]
        usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
        return ModelResponse(output=output, usage=usage, response_id=f"resp_{turn}")

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def _call(turn: int, number: int) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call",
        id=f"fc_{turn}_{number}",
        call_id=f"call_{turn}_{number}",
        name="work",
        arguments="{}",
    )


def _answer(turn: int) -> ResponseOutputMessage:
    text = ResponseOutputText(type="output_text", text=str(turn), annotations=[])
    return ResponseOutputMessage(
        id="msg", type="message", role="assistant", status="completed", content=[text]
    )


def agent(tool: FunctionTool, model: Model | str) -> Agent[Any]:
    return Agent(name="Bench", instructions="Work.", tools=[tool], model=model)


def turns_max(order: Order) -> int:
    return order["turns"] + 1
