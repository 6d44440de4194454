"""One verb for many invocations: those that were chosen in the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi, Verb
from perdure.ui.actions import act, form
from perdure.ui.pages import page

VERBS: Sequence[Verb] = ("cancel", "kill", "pause", "resume", "purge")


def routes(api: AdminApi) -> list[BaseRoute]:
    async def change(request: Request) -> Response:
        fields = await form(request)
        verb = fields.get("verb", "")
        if verb not in VERBS:
            raise RequestError(400, f"no verb {verb!r}; there are {', '.join(VERBS)}")
        # A box that is ticked sends its name, which is the invocation's id.
        chosen = [name for name in fields if name.startswith("inv_")]
        if not chosen:
            return page(request, "failure.html", status=400, message="No invocation was chosen.")

        async def changed() -> str:
            return await _change_all(api, chosen, cast("Verb", verb))

        return await act(request, fields, changed, ask=f"{verb.capitalize()} {_counted(len(chosen))}?")

    return [Route("/invocations", change, methods=["POST"])]


async def _change_all(api: AdminApi, chosen: Sequence[str], verb: Verb) -> str:
    """What to tell. Raises RequestError that says how many were refused, and why the first one was."""
    refused: list[str] = []
    for each in chosen:
        try:
            await api.change(each, verb)
        except RequestError as error:
            refused.append(str(error))
    done = f"{_counted(len(chosen) - len(refused))}: asked to {verb}."
    if refused:
        raise RequestError(409, f"{done} {_counted(len(refused))}: refused. {refused[0]}")
    return done


def _counted(amount: int) -> str:
    return f"{amount} invocation{'' if amount == 1 else 's'}"
