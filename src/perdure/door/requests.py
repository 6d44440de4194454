"""The bodies that clients send, as far as the door reads them. What is not named here is ignored."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.door.agents import Agent
from perdure.errors import OpenAIRequestError

Json = dict[str, Any]
Body = TypeVar("Body", bound=BaseModel)


class Message(BaseModel):
    """A message, or another item of a conversation."""

    model_config = ConfigDict(extra="allow")

    content: str | list[Json] | None = None


def as_sent(messages: list[Message]) -> list[Json]:
    """With all that the client wrote, and nothing else."""
    return [message.model_dump(exclude_unset=True) for message in messages]


class _Request(BaseModel):
    model: str
    stream: bool | None = None
    user: str | None = None
    tools: list[Any] | None = None

    def format(self) -> tuple[str, Json]:
        """(parameter, value) that asks for a form of the output."""
        raise NotImplementedError

    def check(self, agent: Agent) -> None:
        """Raises OpenAIRequestError(400) for what would be ignored, and changes what the answer is."""
        if self.tools:
            raise OpenAIRequestError(
                400, f"the agent '{agent.model}' has its own tools: leave `tools` out", param="tools"
            )
        param, asked = self.format()
        if asked.get("type", "text") != "text" and agent.answers_text:
            raise OpenAIRequestError(
                400, f"the agent '{agent.model}' answers in text: leave `{param}` out", param=param
            )


class Conversation(BaseModel):
    """An object that stands for its id."""

    id: str


class ResponsesRequest(_Request):
    """`POST /v1/responses`."""

    input: str | list[Message]
    instructions: str | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: str | Conversation | None = None
    text: Json | None = None

    def format(self) -> tuple[str, Json]:
        """`text.format`."""
        return "text.format", (self.text or {}).get("format") or {}

    @property
    def conversation_id(self) -> str | None:
        """Its id, however it is written."""
        return self.conversation.id if isinstance(self.conversation, Conversation) else self.conversation


class StreamOptions(BaseModel):
    """What a client wants of a stream."""

    include_usage: bool | None = None


class ChatRequest(_Request):
    """`POST /v1/chat/completions`."""

    messages: list[Message]
    stream_options: StreamOptions | None = None
    n: int | None = None
    functions: list[Any] | None = None
    response_format: Json | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with it."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def format(self) -> tuple[str, Json]:
        """`response_format`."""
        return "response_format", self.response_format or {}

    def check(self, agent: Agent) -> None:
        """As for all, and one choice is all there is."""
        super().check(agent)
        if (self.n or 1) > 1 or self.functions:
            param = "functions" if self.functions else "n"
            raise OpenAIRequestError(
                400, f"leave `{param}` out: an agent runs once, its own way", param=param
            )


def decode(body: bytes, kind: type[Body]) -> Body:
    """Raises OpenAIRequestError(400) that says what is wrong, and where."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise OpenAIRequestError(400, f"{where or 'body'}: {first['msg']}", param=where or None) from None
