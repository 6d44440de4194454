"""One try of a handler: what is filled in, what is wrong with it, and how it is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from perdure.client import SendHandle
from perdure.client.bodies import NO_BODY
from perdure.inspection.deployments import Handler, Service
from perdure.ui.curl import curl
from perdure.ui.ingress import Ingress
from perdure.ui.schema_form.actions import changed, settled
from perdure.ui.schema_form.build import form as build_form
from perdure.ui.schema_form.build import without_unread
from perdure.ui.schema_form.field import Form
from perdure.ui.schema_form.json_values import dumps, loads
from perdure.ui.schema_form.posted import Draft, Unread, read
from perdure.ui.schema_form.schema import MISSING, JsonSchema, Problem, json_schema

JSON = "application/json"
DELAY_S_MAX = 10 * 365 * 86_400
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+*-]+")


def takes_text(service: Service, handler: Handler) -> bool:
    """Whether it can be talked to, as `perdure chat` has it: it takes a text, and more than once."""
    if service.kind == "workflow" or content_type_of(handler) != JSON:
        return False
    schema = json_schema(handler.input_schema)
    return schema.fits(schema.root, "Hello")


def content_type_of(handler: Handler) -> str | None:
    """What it takes; None where it takes nothing. The admin API tells it in words: `none`, `JSON string`."""
    told = handler.input_description
    if told == "none":
        return None
    found = _CONTENT_TYPE.search(told)
    return JSON if found is None or "json" in told.lower() or found[0] == "*/*" else found[0]


@dataclass(slots=True)
class Trial:
    """One try of a handler, as far as the form is filled in.

    what: the button that was pressed. can_be_fields: a form shows more of its input than a place for JSON.
    """

    service: Service
    handler: Handler
    fields: Mapping[str, str]
    what: str
    content_type: str | None
    draft: Draft
    form: Form
    as_json: bool
    can_be_fields: bool
    problems: dict[str, str]
    refusal: str | None = None

    @classmethod
    def of(cls, service: Service, handler: Handler, fields: Mapping[str, str]) -> Trial:
        what = fields.get("do", "")
        content_type = content_type_of(handler)
        schema = json_schema(handler.input_schema)
        draft, what = _draft(schema, fields, what)
        as_json = fields.get("as_json") == "yes"
        if what in ("json", "form") and not draft.problems:  # what cannot be read stays where it was written
            as_json = what == "json"
        found: list[Problem] = []
        if what in ("call", "send") and content_type == JSON and not draft.problems:
            found = _problems(schema, handler, draft)
        form = build_form(schema, draft, found, as_json=as_json)
        begun = build_form(schema, Draft(schema.initial(schema.root)))
        can_be_fields = begun.field.kind != "json"
        problems = _problems_of_options(service, fields) if what in ("call", "send") else {}
        return cls(
            service, handler, fields, what, content_type, draft, form, as_json, can_be_fields, problems
        )

    @property
    def target(self) -> str:
        return f"{self.service.name}/{self.handler.name}"

    @property
    def is_keyed(self) -> bool:
        return self.service.kind != "service"

    @property
    def is_workflow_run(self) -> bool:
        return self.handler.kind == "workflow"

    @property
    def is_right(self) -> bool:
        return self.form.is_right and not self.problems

    @property
    def takes_text(self) -> bool:
        """Whether one can chat with it."""
        return takes_text(self.service, self.handler)

    @property
    def key(self) -> str | None:
        return self.fields.get("key", "") if self.is_keyed else None

    @property
    def idempotency_key(self) -> str | None:
        return self.fields.get("idempotency_key", "").strip() or None

    @property
    def delay(self) -> timedelta | None:
        return timedelta(seconds=float(given)) if (given := self.fields.get("delay_s", "").strip()) else None

    @property
    def body(self) -> str | None:
        """What is sent; None for no body."""
        if self.content_type is None:
            return None
        if self.content_type != JSON:
            return self.fields.get("body", "").replace("\r\n", "\n")
        return None if self.draft.value is MISSING else dumps(without_unread(self.draft.value))

    async def send(self, ingress: Ingress) -> SendHandle:
        """Raises RequestError and ConnectionLost."""
        client = await ingress.client()
        body = self.body
        return await client.send(
            self.target,
            NO_BODY if body is None else body.encode(),
            key=self.key,
            delay=self.delay,
            idempotency_key=self.idempotency_key,
            headers={} if body is None else {"content-type": self.content_type or JSON},
            workflow=self.is_workflow_run,
        )

    async def lines(self, ingress: Ingress) -> dict[str, str]:
        """The same for the shell."""
        delay = None if _problems_of_options(self.service, self.fields).get("delay_s") else self.delay
        delay_ms = round(delay / timedelta(milliseconds=1)) if delay else 0
        url, streams = await ingress.url(), await ingress.is_perdure()
        shared = {"key": self.key or ("KEY" if self.is_keyed else None), "body": self.body}
        shared |= {"idempotency_key": self.idempotency_key, "content_type": self.content_type or JSON}
        send = curl(url, self.target, **shared, send=True, delay_ms=delay_ms)  # type: ignore[arg-type]
        call = curl(url, self.target, **shared, streams=streams)  # type: ignore[arg-type]
        return {"curl_call": call if not delay_ms else "", "curl_send": send}


def _draft(schema: JsonSchema, fields: Mapping[str, str], what: str) -> tuple[Draft, str]:
    """What is written, after the button that was pressed; and that button, where it is still to be obeyed."""
    if not what:
        return Draft(schema.initial(schema.root)), what
    if what == "load":
        text = fields.get("load", "")
        try:
            return Draft(loads(text)), what
        except ValueError as error:
            return Draft(Unread(text, str(error)), problems=[Problem("", str(error))]), what
    draft = read(fields.items())
    if draft.changed:  # to an alternative that nobody has seen yet
        return changed(schema, settled(schema, draft), what), "look"
    return changed(schema, draft, what), what


def _problems(schema: JsonSchema, handler: Handler, draft: Draft) -> list[Problem]:
    if draft.value is not MISSING:
        return schema.problems(draft.value, draft.chosen)
    # No body is read as null.
    return (
        []
        if handler.input_schema is None or schema.fits(schema.root, None)
        else [Problem("", "a value is required")]
    )


def _problems_of_options(service: Service, fields: Mapping[str, str]) -> dict[str, str]:
    problems = {}
    if service.kind != "service" and not fields.get("key"):
        problems["key"] = "a key is required: which object, or which run of the workflow, is meant"
    idempotency_key = fields.get("idempotency_key", "").strip()
    if not (idempotency_key.isascii() and idempotency_key.isprintable()):  # it goes into a header
        problems["idempotency_key"] = "write it in ASCII"
    try:
        delay_s = float(fields.get("delay_s", "").strip() or 0)
        if not 0 <= delay_s <= DELAY_S_MAX:
            problems["delay_s"] = "write a number of seconds from 0 to ten years"
    except ValueError:
        problems["delay_s"] = "not a number of seconds"
    return problems
