"""A client's conversation as the input of a handler.

Both APIs are brought to one form, the input items of the Responses API, which are the Agents SDK's as well. A
handler that takes a text gets the one message of the user; what it has no place for is refused, not dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perdure.door.agents import Agent
from perdure.errors import OpenAIRequestError

Item = dict[str, Any]

OWN_MESSAGE_ID = "msg_inv_"
"""How the ids of our own messages begin; no model knows them."""


def items_of_input(given: str | list[Item], instructions: str | None) -> list[Item]:
    """`input` and `instructions` of the Responses API."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    system = [{"role": "system", "content": instructions}] if instructions else []
    return [*system, *map(_item, given)]


def items_of_messages(messages: Sequence[Item]) -> list[Item]:
    """`messages` of the Chat Completions API."""
    return [_item_of_message(message) for message in messages]


def handler_input(agent: Agent, items: list[Item], param: str) -> str | list[Item]:
    """What to invoke the agent with: of a virtual object only what is new, for it has heard the rest.

    param: of the request, to blame. Raises OpenAIRequestError(400).
    """
    if agent.keyed:
        items = _since_last_answer(items)
    problem = _not_one_text(items)
    if problem is None and agent.takes_text:
        return _text(items[0]["content"])
    if not items:
        raise OpenAIRequestError(400, "there is no message to answer", param=param)
    if agent.takes_items:
        return items
    handler = f"{agent.service}/{agent.handler}"
    instead = f"write `async def {agent.handler}(ctx, items: list[TResponseInputItem])`"
    if not agent.keyed:
        instead += ", or let a virtual object keep the conversation in a DurableSession"
    raise OpenAIRequestError(400, f"{handler} takes one text, and {problem}: {instead}", param=param)


def _item(item: Item) -> Item:
    """An answer of ours comes back as plain text: its id means nothing to the model behind the agent."""
    if str(item.get("id", "")).startswith(OWN_MESSAGE_ID):
        return {"role": "assistant", "content": _text(item.get("content"))}
    return item


def _since_last_answer(items: list[Item]) -> list[Item]:
    answers = [at for at, item in enumerate(items) if item.get("role") == "assistant"]
    return items[answers[-1] + 1 :] if answers else items


def _not_one_text(items: list[Item]) -> str | None:
    """Why this is not one message of the user, in text."""
    if len(items) != 1:
        return f"this conversation has {len(items)} messages"
    item = items[0]
    if item.get("type", "message") != "message" or item.get("role") != "user":
        return f"this is a message of the {item.get('role', item.get('type'))}"
    content = item.get("content")
    kinds = ["input_text"] if isinstance(content, str) else [part.get("type") for part in content or ()]
    other = next((kind for kind in kinds if kind != "input_text"), None)
    return f"this holds an {other}" if other else None


def _text(content: Any) -> str:
    return (
        content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content or ())
    )


def _item_of_message(message: Item) -> Item:
    role, content = message.get("role"), message.get("content")
    if message.get("tool_calls") or role in ("tool", "function"):
        raise OpenAIRequestError(
            400, "an agent calls its own tools: leave tool calls and their results out", param="messages"
        )
    if role not in ("system", "developer", "user", "assistant"):
        raise OpenAIRequestError(400, f"a message has no role '{role}'", param="messages")
    if content is None or isinstance(content, str) or role == "assistant":
        return {"role": role, "content": _text(content)}
    return {"role": role, "content": [_part(part) for part in content]}


def _part(part: Item) -> Item:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": "input_text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url), **image}}:
            return {"type": "input_image", "image_url": url, "detail": image.get("detail", "auto")}
        case {"type": "file", "file": dict(file)}:
            return {"type": "input_file", **file}
    raise OpenAIRequestError(400, f"a message cannot hold such a '{part.get('type')}'", param="messages")
