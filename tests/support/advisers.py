"""Agents whose model calls have a list price, a price of the user's, and none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import restate
from agents import Agent, Model, OpenAIResponsesModel
from model_api import RESPONSE, ModelApi, client_of

from perdure import Budget, DurableOptions, DurableRunner, Price
from perdure.testing.scripted_model import ScriptedModel

OURS = DurableOptions(budget=Budget(prices={"house-7b": Price(input=100, output=1_000)}))
USED = {
    "input_tokens": 4_200,
    "output_tokens": 380,
    "total_tokens": 4_580,
    "input_tokens_details": {"cached_tokens": 2_048, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
LIST_USD = (2_152 * 0.25 + 2_048 * 0.025 + 380 * 2.0) / 1e6  # of a call of gpt-5-mini that uses that


def at_openai(text: str = "Go by train, and book the seat now.", used: Mapping[str, Any] = USED) -> Model:
    """A model that is asked at OpenAI's address, and answers from here."""
    said = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [said]}
    body = {**RESPONSE, "id": "resp_1", "created_at": 0, "output": [message], "usage": used}
    api = ModelApi(answer=json.dumps(body).encode())
    return OpenAIResponsesModel("gpt-5-mini", client_of(api, "https://api.openai.com/v1"))


class HouseModel(ScriptedModel):
    model = "house-7b"


adviser = Agent(name="Adviser", model=at_openai())
house = Agent(name="House", model=HouseModel(["It depends."]))
service = restate.Service("Advice")


async def told(agent: Agent[Any], question: str, options: DurableOptions | None = None) -> str:
    return str((await DurableRunner.run(agent, question, options=options)).final_output)


@service.handler()
async def ask(ctx: restate.Context, question: str) -> str:
    """Nobody has configured anything, and the call has a price."""
    return await told(adviser, question)


@service.handler()
async def compare(ctx: restate.Context, question: str) -> str:
    """Twice at list price, and once by a model of the house that has no price."""
    return " ".join(
        [await told(adviser, question), await told(house, question), await told(adviser, question)]
    )


@service.handler()
async def house_only(ctx: restate.Context, question: str) -> str:
    return await told(house, question)


@service.handler()
async def house_priced(ctx: restate.Context, question: str) -> str:
    """At a price that the user gives: a call of 10 + 5 tokens costs 0.006 USD."""
    return await told(house, question, OURS)


app = restate.app([service])
