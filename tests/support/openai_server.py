"""The part of the OpenAI API that sessions use: conversations and compaction, over HTTP, in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app_in_thread import served_by_thread
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Item = dict[str, Any]


class OpenAIServer:
    """`conversations` by id, items oldest first; `compacted`, what each request for a compaction held;
    `refuses` new items, if it is set.
    """

    def __init__(self) -> None:
        self.conversations: dict[str, list[Item]] = {}
        self.compacted: list[dict[str, Any]] = []
        self.refuses = False
        self.url = ""
        self._numbers = itertools.count(1)
        self._app = Starlette(
            routes=[
                Route("/conversations", self._create, methods=["POST"]),
                Route("/conversations/{id}", self._delete, methods=["DELETE"]),
                Route("/conversations/{id}/items", self._list, methods=["GET"]),
                Route("/conversations/{id}/items", self._add, methods=["POST"]),
                Route("/conversations/{id}/items/{item}", self._delete_item, methods=["DELETE"]),
                Route("/responses/compact", self._compact, methods=["POST"]),
            ]
        )

    def client(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.url, api_key="none", max_retries=0)

    @contextmanager
    def serving(self) -> Iterator[OpenAIServer]:
        with served_by_thread(self._app) as self.url:
            yield self

    async def _create(self, request: Request) -> Response:
        name = f"conv_{next(self._numbers)}"
        self.conversations[name] = [self._stored(item) for item in (await request.json()).get("items") or []]
        return JSONResponse({"id": name, "object": "conversation", "created_at": 0, "metadata": {}})

    async def _delete(self, request: Request) -> Response:
        del self.conversations[request.path_params["id"]]
        return JSONResponse(
            {"id": request.path_params["id"], "object": "conversation.deleted", "deleted": True}
        )

    async def _add(self, request: Request) -> Response:
        items = (await request.json())["items"]
        if self.refuses or len(items) > 20:
            return JSONResponse({"error": {"message": "no more than 20 items"}}, 400)
        stored = [self._stored(item) for item in items]
        self.conversations[request.path_params["id"]].extend(stored)
        return JSONResponse(_page(stored))

    async def _list(self, request: Request) -> Response:
        items = list(self.conversations[request.path_params["id"]])
        if request.query_params.get("order", "desc") == "desc":
            items.reverse()
        after = request.query_params.get("after")
        start = next((at + 1 for at, item in enumerate(items) if item["id"] == after), 0)
        return JSONResponse(_page(items[start : start + 20], has_more=len(items) > start + 20))

    async def _delete_item(self, request: Request) -> Response:
        items = self.conversations[request.path_params["id"]]
        items[:] = [item for item in items if item["id"] != request.path_params["item"]]
        return JSONResponse({"id": request.path_params["id"], "object": "conversation", "created_at": 0})

    async def _compact(self, request: Request) -> Response:
        body = await request.json()
        self.compacted.append(body)
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 107,
        }
        summary = {"type": "compaction", "id": "cmp_1", "encrypted_content": "all of it"}
        return JSONResponse(
            {
                "id": "resp_c",
                "object": "response.compaction",
                "created_at": 0,
                "output": [summary],
                "usage": usage,
            }
        )

    def _stored(self, item: Item) -> Item:
        """As the API gives an item back: with an id and a status, and its content in parts."""
        stored: Item = {"type": "message", **item, "id": f"item_{next(self._numbers)}", "status": "completed"}
        if isinstance(stored.get("content"), str):
            kind = "output_text" if stored.get("role") == "assistant" else "input_text"
            stored["content"] = [{"type": kind, "text": stored["content"]}]
        return stored


def _page(items: list[Item], has_more: bool = False) -> dict[str, Any]:
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {}
    return {"object": "list", "data": items, "has_more": has_more, **ends}
