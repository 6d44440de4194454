"""What the buttons of a form do to a draft: add, remove, include, leave out.

A button posts `do=<what>:<pointer>` with the whole form, and gets the form as it is then. So it works without
a script, and a schema that contains itself is unfolded as far as a person asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from perdure.ui.schema_form.build import form
from perdure.ui.schema_form.field import controls
from perdure.ui.schema_form.posted import Draft, Unread, read
from perdure.ui.schema_form.schema import MISSING, JsonSchema


def changed(schema: JsonSchema, draft: Draft, what: str) -> Draft:
    """The draft after `add:/tags`, `remove:/tags/0`, `include:/address` or `leave-out:/address`.

    What is nothing of these changes nothing.
    """
    verb, _, pointer = what.partition(":")
    field = next((each for each in form(schema, draft).field.walk() if each.pointer == pointer), None)
    if field is None:
        return draft
    addition = Unread("", "") if field.addition is MISSING else field.addition
    match verb:
        case "add" if "grow" in field.can:
            value = _with(draft.value, _steps(pointer), lambda old: _grown(old, addition))
        case "include" if field.kind == "absent":
            value = _with(draft.value, _steps(pointer), lambda _: addition)
        case "remove" if "remove" in field.can:
            value = _with(draft.value, _steps(pointer), lambda _: MISSING)
        case "leave-out" if "leave_out" in field.can:
            value = _with(draft.value, _steps(pointer), lambda _: field.without)
        case _:
            return draft
    # Items after the removed one have moved up: their alternatives are told from their values.
    above = pointer.rpartition("/")[0] if verb == "remove" else pointer
    chosen = {place: at for place, at in draft.chosen.items() if not f"{place}/".startswith(f"{above}/")}
    return replace(draft, value=value, chosen=chosen, problems=[])


def settled(schema: JsonSchema, draft: Draft) -> Draft:
    """The draft as the form shows it: its values belong to the alternatives that were just chosen."""
    if not draft.changed:
        return draft
    shown = form(schema, draft).field
    again = read(pair for each in shown.walk() for pair in controls(each))
    return replace(again, changed=[])


def _grown(old: object, addition: object) -> object:
    if isinstance(old, dict):
        number = 1
        while f"key{number}" in old:
            number += 1
        return {**old, f"key{number}": addition}
    return [*(old if isinstance(old, list) else []), addition]


def _with(value: object, steps: list[str], change: Callable[[object], object]) -> object:
    """The value, changed in one place; MISSING there takes it out."""
    if not steps:
        return change(value)
    first, *rest = steps
    if isinstance(value, list):
        at = int(first)
        new = _with(value[at], rest, change)
        return [*value[:at], *([] if new is MISSING else [new]), *value[at + 1 :]]
    members = dict(value) if isinstance(value, dict) else {}
    new = _with(members.get(first, MISSING), rest, change)
    if new is MISSING:
        members.pop(first, None)
    else:
        members[first] = new
    return members


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
