"""From a request to the invocation that answers it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

from perdure.door.agents import Agent, agents, named, of_target
from perdure.door.conversation import Item, handler_input, items_of_input, items_of_messages
from perdure.door.port import Invocation, Invocations, Target
from perdure.door.requests import ChatRequest, ResponsesRequest, as_sent
from perdure.door.response_object import PREFIX
from perdure.errors import OpenAIRequestError, RequestError
from perdure.protocol.ids import decode_invocation_id

KEY_HEADER = "x-perdure-key"
IDEMPOTENCY_HEADER = "idempotency-key"
CHAT_PREFIX = "chatcmpl-"


@dataclass(frozen=True, slots=True)
class Run:
    """An invocation, and the model that it is here."""

    invocation: Invocation
    model: str


class Calls:
    """Starts runs, and finds them again. Everything raises RequestError."""

    def __init__(self, invocations: Invocations) -> None:
        self.invocations = invocations

    async def agents(self) -> list[Agent]:
        """All there are now."""
        return agents(await self.invocations.handlers())

    async def respond(self, request: Request, asked: ResponsesRequest) -> Run:
        """Start what `POST /v1/responses` asks for."""
        agent = named(asked.model, await self.agents())
        asked.check(agent)
        known = request.headers.get(KEY_HEADER) or asked.conversation_id
        if asked.previous_response_id:
            known = known or await self._key_of(asked.previous_response_id, agent)
        key = known or asked.user or _new_key(request)
        given = asked.input if isinstance(asked.input, str) else as_sent(asked.input)
        items = items_of_input(given, asked.instructions)
        return await self._start(request, agent, key, items, "input")

    async def complete(self, request: Request, asked: ChatRequest) -> Run:
        """Start what `POST /v1/chat/completions` asks for."""
        agent = named(asked.model, await self.agents())
        asked.check(agent)
        key = request.headers.get(KEY_HEADER) or asked.user
        if agent.keyed and not key:
            raise OpenAIRequestError(
                400,
                f"'{agent.model}' is a virtual object, and this API has no conversations: name its key in "
                f"`user`, or in the header {KEY_HEADER}",
                param="user",
            )
        return await self._start(
            request, agent, key or "", items_of_messages(as_sent(asked.messages)), "messages"
        )

    async def find(self, given: str) -> Run:
        """The run of a response or a chat completion. Raises OpenAIRequestError(404)."""
        invocation_id = given.removeprefix(PREFIX).removeprefix(CHAT_PREFIX)
        try:
            decode_invocation_id(invocation_id)
            invocation = await self.invocations.find(invocation_id)
        except RequestError as error:
            if error.status not in (400, 404):
                raise
            raise OpenAIRequestError(404, f"there is no response '{given}' (any more)") from None
        target = invocation.target
        return Run(invocation, of_target(target.service, target.handler, await self.agents()))

    async def _start(self, request: Request, agent: Agent, key: str, items: list[Item], param: str) -> Run:
        body = json.dumps(handler_input(agent, items, param), ensure_ascii=False).encode()
        target = Target(agent.service, agent.handler, key if agent.keyed else "")
        idempotency_key = request.headers.get(IDEMPOTENCY_HEADER)
        invocation_id = await self.invocations.send(target, body, idempotency_key)
        return Run(await self.invocations.find(invocation_id), agent.model)

    async def _key_of(self, response_id: str, agent: Agent) -> str:
        """Of the object that gave that response, and so holds the conversation."""
        target = (await self.find(response_id)).invocation.target
        if not agent.keyed or target.service != agent.service:
            why = (
                "is another agent's"
                if agent.keyed
                else "would be lost: send the whole conversation as `input`"
            )
            raise OpenAIRequestError(
                400,
                f"'{agent.model}' keeps no conversation with '{response_id}': it {why}",
                param="previous_response_id",
            )
        return target.key


def _new_key(request: Request) -> str:
    """Of a new conversation. A request that comes twice has to find the first one's."""
    idempotency_key = request.headers.get(IDEMPOTENCY_HEADER)
    named = secrets.token_hex(16) if idempotency_key is None else sha256(idempotency_key.encode()).hexdigest()
    return f"conv_{named[:32]}"
