"""What a person may do to an invocation: one at a time, or many in one request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.engine.admin.body import read_json
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.ids import decode_invocation_id, random_invocation_id

BATCH_MAX = 1000
"""As restate-server has it. One batch is one commit."""

JOURNAL_INDEX_MAX = 2**32 - 1

Verb = Callable[[str, "Parameters"], Awaitable["Outcome"]]


class Parameters(BaseModel):
    """`?deployment=` (keep, latest or an id; of resume and restart) and `?from=` (a journal index)."""

    deployment: str | None = None
    from_index: int = 0


class Outcome(BaseModel):
    """200: it is so. 202: it was asked for, and comes. `new_invocation_id` is restart's."""

    status: int = 200
    new_invocation_id: str | None = None


class _Batch(BaseModel):
    invocation_ids: list[str]
    deployment: str | None = None


class VerbRoutes:
    """Handlers of `/invocations/{id}/{verb}` and of `/internal/invocations_batch_operations/{verb}`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._verbs: dict[str, Verb] = {
            "cancel": self._cancel,
            "kill": self._kill,
            "pause": self._pause,
            "resume": self._resume,
            "purge": self._purge,
            "purge-journal": self._purge_journal,
            "restart-as-new": self._restart,
        }

    def routes(self) -> list[Route]:
        """A pair for each verb."""
        single = [
            Route(f"/invocations/{{id}}/{name}", self._single(verb), methods=["PATCH"])
            for name, verb in self._verbs.items()
        ]
        batch = [
            Route(f"/internal/invocations_batch_operations/{name}", self._many(verb), methods=["POST"])
            for name, verb in self._verbs.items()
        ]
        return [*single, *batch]

    def _single(self, verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            invocation_id = str(request.path_params["id"])
            decode_invocation_id(invocation_id)
            outcome = await verb(invocation_id, _parameters(request))
            if outcome.new_invocation_id is not None:
                return JSONResponse({"new_invocation_id": outcome.new_invocation_id})
            return Response(status_code=outcome.status)

        return handle

    def _many(self, verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            batch = await read_json(request, _Batch)
            if len(batch.invocation_ids) > BATCH_MAX:
                raise RequestError(
                    400,
                    f"{len(batch.invocation_ids)} invocations in one batch: {BATCH_MAX} at most",
                )
            for invocation_id in batch.invocation_ids:
                decode_invocation_id(invocation_id)
            parameters = Parameters(deployment=batch.deployment)
            outcomes = await asyncio.gather(
                *(verb(invocation_id, parameters) for invocation_id in batch.invocation_ids),
                return_exceptions=True,
            )
            return JSONResponse(_told(batch.invocation_ids, outcomes))

        return handle

    async def _cancel(self, invocation_id: str, parameters: Parameters) -> Outcome:
        ended = await self._engine.requests.cancel(invocation_id)
        return Outcome(status=200 if ended else 202)

    async def _kill(self, invocation_id: str, parameters: Parameters) -> Outcome:
        await self._engine.requests.kill(invocation_id)
        return Outcome()

    async def _pause(self, invocation_id: str, parameters: Parameters) -> Outcome:
        was_paused = await self._engine.requests.pause(invocation_id)
        return Outcome(status=200 if was_paused else 202)

    async def _resume(self, invocation_id: str, parameters: Parameters) -> Outcome:
        deployment_id = self._deployment(invocation_id, parameters.deployment or "keep")
        await self._engine.requests.resume(invocation_id, deployment_id)
        return Outcome()

    async def _purge(self, invocation_id: str, parameters: Parameters) -> Outcome:
        await self._engine.requests.purge(invocation_id)
        return Outcome()

    async def _purge_journal(self, invocation_id: str, parameters: Parameters) -> Outcome:
        await self._engine.requests.purge(invocation_id, journal_only=True)
        return Outcome()

    async def _restart(self, invocation_id: str, parameters: Parameters) -> Outcome:
        deployment_id = self._deployment(invocation_id, parameters.deployment or "latest")
        new_id = random_invocation_id(self._engine.clock_ms(), os.urandom(18))
        await self._engine.requests.restart(invocation_id, new_id, parameters.from_index, deployment_id)
        return Outcome(new_invocation_id=new_id)

    def _deployment(self, invocation_id: str, asked: str) -> str | None:
        """The id of the deployment that was asked for; None to keep its own."""
        invocation = self._engine.store.invocation(invocation_id)
        if invocation is None or asked.lower() == "keep":  # the verb says that there is none
            return None
        service = invocation.target.service
        if asked.lower() == "latest":
            newest = self._engine.store.deployment_of(service)
            if newest is None:
                raise RequestError(400, f"no deployment serves {service} any more: register one first")
            return newest
        deployment = self._engine.store.deployments.get(asked)
        if deployment is None:
            raise RequestError(400, f"deployment '{asked}' not found; give its id, 'latest' or 'keep'")
        if service not in deployment.manifest.services:
            raise RequestError(400, f"deployment '{asked}' does not serve {service}")
        return deployment.id


def _parameters(request: Request) -> Parameters:
    text = request.query_params.get("from", "0")
    if not (text.isascii() and text.isdigit()) or int(text) > JOURNAL_INDEX_MAX:
        raise RequestError(400, f"bad from '{text}': the index of a journal entry")
    return Parameters(deployment=request.query_params.get("deployment"), from_index=int(text))


def _told(ids: list[str], outcomes: list[Outcome | BaseException]) -> dict[str, object]:
    succeeded: list[object] = []
    failed: list[object] = []
    for invocation_id, outcome in zip(ids, outcomes, strict=True):
        match outcome:
            case Outcome(new_invocation_id=None):
                succeeded.append(invocation_id)
            case Outcome(new_invocation_id=new_id):
                succeeded.append({"old_invocation_id": invocation_id, "new_invocation_id": new_id})
            case RequestError(message=message):
                failed.append({"invocation_id": invocation_id, "error": message})
            case defect:
                raise defect
    return {"succeeded": succeeded, "failed": failed}
