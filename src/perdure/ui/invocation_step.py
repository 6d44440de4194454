"""One step of a journal, opened: what went in and what came out, laid out for what it is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection import invocation_list
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.journal import journal, step
from perdure.inspection.records import Invocation, Step
from perdure.inspection.step_content import ApprovalAsked, ModelCall, Plain, ToolCall, ToolResult, read
from perdure.ui.gone import of_kept
from perdure.ui.invocation_actions import restarts_at
from perdure.ui.invocation_row import Row
from perdure.ui.invocation_rows import rows_of
from perdure.ui.json_tree import shown
from perdure.ui.pages import is_visit, page
from perdure.ui.text import cut, plain

VALUE_BYTES_MAX = 65_536
"""Of a value that is laid out. The whole of it is a download."""
DOWNLOAD_BYTES_MAX = 64 * 1024 * 1024
"""The most that the engine's admin API gives of a value."""
SAID_CHARS_MAX = 16_384
CHILD_STEPS_MAX = 200


@dataclass(frozen=True, slots=True)
class Part:
    """A titled value, laid out."""

    title: str
    html: Markup
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """What a call called, as rows on the time line of its caller."""

    invocation: Invocation
    rows: list[Row]
    origin: datetime
    has_more: bool


def routes(api: AdminApi) -> list[BaseRoute]:
    async def opened(request: Request) -> Response:
        """On its own a page, and else a part of the page of the invocation, which says `asked_by` and `call`
        (the model call that asked for it, and under which name) and `origin` (the beginning of its time
        line).
        """
        invocation_id, index = request.path_params["id"], request.path_params["index"]
        one, found, asked = await asyncio.gather(
            of_kept(invocation_id, invocation_list.invocation(api, invocation_id)),
            _step(api, invocation_id, index),
            _asked(api, invocation_id, request.query_params),
        )
        child = None
        if found.kind == "call" and found.invoked_id is not None:
            child = await _child(api, found.invoked_id, _origin(request.query_params) or one.created_at)
        content = read(found)
        return page(
            request,
            "invocation_step_page.html" if is_visit(request) else "invocation_step.html",
            invocation=one,
            step=found,
            content=content,
            body=type(content.body).__name__,
            parts=parts_of(found, asked),
            restarts=restarts_at(one, index),
            child=child,
        )

    async def value(request: Request) -> Response:
        """All of it, to be saved."""
        invocation_id, index = request.path_params["id"], request.path_params["index"]
        found = await step(api, invocation_id, index, DOWNLOAD_BYTES_MAX)
        return Response(
            found.value or b"",
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="step-{found.index}.txt"'},
        )

    return [
        Route("/invocations/{id}/steps/{index:int}", opened),
        Route("/invocations/{id}/steps/{index:int}/value", value),
    ]


def parts_of(step: Step, asked: ToolCall | None = None) -> list[Part]:
    """What went in, then what came out. asked: the tool call that it answers."""
    content = read(step)
    parts: list[Part] = []
    if asked is not None:
        parts.append(Part(f"Arguments of {asked.name}", shown(asked.arguments)))
    if step.parameter is not None:
        parts.append(Part("Sent", shown(step.parameter)))
    match content.body:
        case ModelCall() as call:
            parts += [Part("Reasoning", _said(text), is_folded=True) for text in call.reasoning]
            parts += [Part("Said", _said(text)) for text in call.messages]
            parts += [Part(f"Calls {each.name}", shown(each.arguments)) for each in call.tool_calls]
            parts.append(Part("The answer as it came", shown(_json(call.items)), is_folded=True))
        case ToolResult(output, is_error):
            parts.append(Part("Error, as the model reads it" if is_error else "Output", shown(_json(output))))
        case ApprovalAsked(_, tool, arguments):
            parts.append(Part(f"May it call {tool} with", shown(_json(arguments))))
        case Plain(text) if step.value is not None:
            title = {"input": "Input", "output": "Output"}.get(step.kind, "Value")
            parts.append(Part(title, shown(step.value if step.kind != "run" else text)))
    return parts


async def _step(api: AdminApi, invocation_id: str, index: int) -> Step:
    found = await journal(api, invocation_id, index, 1, VALUE_BYTES_MAX)
    if not found.steps or found.steps[0].index != index:
        raise RequestError(404, f"{invocation_id} has no step {index}")
    return found.steps[0]


async def _asked(api: AdminApi, invocation_id: str, query: QueryParams) -> ToolCall | None:
    if not query.get("asked_by", "").isdigit():
        return None
    content = read(await _step(api, invocation_id, int(query["asked_by"])))
    calls = content.body.tool_calls if isinstance(content.body, ModelCall) else ()
    return next((call for call in calls if call.call_id == query.get("call")), None)


async def _child(api: AdminApi, child_id: str, origin: datetime) -> Child | None:
    """None if it is not kept any more."""
    try:
        one, found = await asyncio.gather(
            invocation_list.invocation(api, child_id), journal(api, child_id, 0, CHILD_STEPS_MAX)
        )
    except RequestError as error:
        if error.status == 404:
            return None
        raise
    return Child(one, rows_of(found.steps, one, origin).rows, origin, has_more=found.next is not None)


def _origin(query: QueryParams) -> datetime | None:
    text = query.get("origin", "")
    return datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdigit() and len(text) < 15 else None


def _said(text: str) -> Markup:
    return Markup('<p class="said"><bdi>{}</bdi></p>').format(plain(cut(text, SAID_CHARS_MAX)))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
