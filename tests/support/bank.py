"""A bank over HTTP that outlives the process which is killed, and gates at which that process waits for it.

It knows idempotency keys, as payment providers do: a payment that is asked for again with the same key is the
payment that it was. It remembers every request all the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app_in_thread import served_by_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Bank:
    """`shut` names the gate that holds the next who comes there for ever; `held` is set when one has come."""

    def __init__(self) -> None:
        self.shut: str | None = None
        self.held = threading.Event()
        self.requests: list[str] = []  # the idempotency key of each
        self.payments: dict[str, str] = {}  # receipts by key
        self.app = Starlette(
            routes=[
                Route("/payments", self._pay, methods=["POST"]),
                Route("/payments/{key:path}", self._look_up),
                Route("/gate/{name}", self._gate),
            ]
        )

    def shut_gate(self, name: str) -> None:
        self.held.clear()
        self.shut = name

    async def _pay(self, request: Request) -> Response:
        key = request.headers["idempotency-key"]
        self.requests.append(key)
        receipt = self.payments.setdefault(key, f"receipt {len(self.payments) + 1}")
        await self._pass("paid")
        return JSONResponse(receipt)

    async def _look_up(self, request: Request) -> Response:
        return JSONResponse(self.payments.get(request.path_params["key"]))

    async def _gate(self, request: Request) -> Response:
        await self._pass(request.path_params["name"])
        return Response()

    async def _pass(self, gate: str) -> None:
        if self.shut == gate:
            self.shut = None
            self.held.set()
            await asyncio.sleep(3600)  # who waits here is about to be killed


@contextmanager
def open_bank() -> Iterator[tuple[Bank, str]]:
    """A bank and its address."""
    bank = Bank()
    with served_by_thread(bank.app) as url:
        yield bank, url
