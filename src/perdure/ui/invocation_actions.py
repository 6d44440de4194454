"""What a person may do to an invocation, as its status allows it. The engine has the last word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi, Verb
from perdure.inspection.records import Invocation
from perdure.ui import flash
from perdure.ui.actions import act, form
from perdure.ui.pages import see_other

_MAY_PAUSE = frozenset({"running", "suspended", "backing-off"})
_MAY_RESUME = frozenset({"paused", "suspended", "backing-off"})


@dataclass(frozen=True, slots=True)
class Action:
    """A button. question: what it will do, asked before it is done. fields: of the form, beside the verb."""

    verb: Verb
    text: str
    question: str
    is_grave: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)


def actions_of(invocation: Invocation) -> list[Action]:
    """Those that make sense now."""
    if invocation.status == "completed":
        restart = [_RESTART] if _can_restart(invocation) else []
        return [*restart, *_PURGES[: 2 if invocation.journal_size else 1]]
    found: list[Action] = []
    if invocation.status in _MAY_RESUME:
        found += _RESUMES
    if invocation.status in _MAY_PAUSE:
        found.append(_PAUSE)
    return [*found, *_ENDS]


def restarts_at(invocation: Invocation, index: int) -> list[Action]:
    """Those of the step that the journal has at `index`."""
    return _restarts_at(index) if index and _can_restart(invocation) else []


_PAUSE = Action(
    "pause",
    "Pause",
    "Stop it where it is? A step that runs now is broken off and done again when you resume. What it waits "
    "for is still recorded, and a virtual object stays locked.",
)
_RESUMES = (
    Action("resume", "Resume", "Start its next attempt now, on the deployment that it began on?"),
    Action(
        "resume",
        "Resume on the newest deployment",
        "Start its next attempt now, on the newest deployment of its service? It fails if the new code does "
        "not fit what the journal holds.",
        fields={"deployment": "latest"},
    ),
)
_ENDS = (
    Action(
        "cancel",
        "Cancel",
        "Ask its code to end? It is told at the place where it waits, and may clean up (undo a saga, say) "
        "before it ends as failed.",
    ),
    Action(
        "kill",
        "Kill",
        "End it now, and all that it called and waits for? Its code does not get to clean up. Steps that run "
        "now may still take effect outside.",
        is_grave=True,
    ),
)
_PURGES = (
    Action(
        "purge",
        "Purge",
        "Forget this invocation, with its result and its journal, for ever?",
        is_grave=True,
    ),
    Action(
        "purge-journal",
        "Purge the journal",
        "Forget its journal for ever? Its result is kept; it cannot be restarted any more.",
        is_grave=True,
    ),
)


_RESTART = Action(
    "restart-as-new",
    "Restart as new",
    "Start a new invocation with the same input, from the beginning, on the newest deployment? This one "
    "stays as it is.",
)


def _restarts_at(index: int) -> list[Action]:
    return [
        Action(
            "restart-as-new",
            "Restart after this step",
            f"Start a new invocation that keeps what the journal has up to and with #{index}, and goes on "
            "from there on the newest deployment? What is kept is not paid for again. This one stays as "
            "it is.",
            fields={"from": str(index)},
        ),
        Action(
            "restart-as-new",
            "Do this step again",
            f"Start a new invocation that keeps what the journal has before #{index}, and does this step and "
            "all after it again, on the newest deployment? This one stays as it is.",
            fields={"from": str(index - 1)},
        ),
    ]


def _can_restart(invocation: Invocation) -> bool:
    """A workflow runs once, and what has no journal has no input any more."""
    return invocation.status == "completed" and invocation.kind != "workflow" and invocation.journal_size > 0


def _question(verb: str, fields: Mapping[str, str]) -> str:
    """What is asked where no script asks. A form that we did not make gets the general question."""
    known = [_PAUSE, *_RESUMES, *_ENDS, *_PURGES, _RESTART]
    if (kept := fields.get("from", "")).isdigit():
        known = _restarts_at(int(kept))
    given = {name: fields[name] for name in ("deployment", "from") if name in fields}
    return next((a.question for a in known if a.verb == verb and a.fields == given), f"{verb}: are you sure?")


_TOLD: Mapping[str, str] = {
    "cancel": "asked to cancel",
    "kill": "killed",
    "pause": "asked to pause",
    "resume": "resumed",
    "purge": "purged",
    "purge-journal": "its journal is purged",
    "restart-as-new": "restarted",
}


def routes(api: AdminApi) -> list[BaseRoute]:
    async def change(request: Request) -> Response:
        invocation_id, verb = request.path_params["id"], request.path_params["verb"]
        if verb not in get_args(Verb):
            raise RequestError(404, f"there is no action {verb!r}")
        fields = await form(request)
        from_index = int(text) if (text := fields.get("from", "")).isdigit() else None
        new_id: str | None = None

        async def do() -> str:
            nonlocal new_id
            deployment = fields.get("deployment")
            new_id = await api.change(invocation_id, verb, deployment=deployment, from_index=from_index)
            return f"{invocation_id}: {_TOLD[verb]}"

        response = await act(request, fields, do, ask=_question(verb, fields))
        if new_id is None:
            return response
        return flash.tell(see_other(request, "invocations", new_id), request, f"restarted {invocation_id}")

    return [Route("/invocations/{id}/{verb}", change, methods=["POST"])]
