"""A JSON schema and a value as the fields of a form.

Rendered, posted and read again (see `posted`), a value is what it was. So a field that cannot show its
value exactly is one in which JSON is written: a number where the schema says string, a list of a thousand, a
text with control characters. The same goes for schemas that say more than a form can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from perdure.ui.schema_form.controls import Control, control_of
from perdure.ui.schema_form.field import Field, Form, Kind, Option
from perdure.ui.schema_form.json_values import dumps
from perdure.ui.schema_form.posted import Draft, Unread
from perdure.ui.schema_form.schema import (
    ANYTHING,
    MISSING,
    JsonSchema,
    Problem,
    Schema,
    alternatives,
    is_null,
    pointer_to,
    properties_of,
    required_of,
    type_of,
)
from perdure.ui.schema_form.words import limits, placeholder, said, type_name, variant_name

_DEPTH_MAX = 12
_ITEMS_MAX = 100


def form(
    schema: JsonSchema, draft: Draft, problems: Sequence[Problem] = (), *, as_json: bool = False
) -> Form:
    """The form of a draft. as_json: one field of JSON for all of it."""
    builder = _Builder(schema, draft, [*draft.problems, *problems])
    field = builder.as_json(draft.value) if as_json else builder.root(draft.value)
    return Form(field, builder.problems)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a field stands."""

    place: str
    pointer: str
    label: str
    is_required: bool = True
    depth: int = 0
    key: str | None = None
    can_be_removed: bool = False


class _Builder:
    def __init__(self, schema: JsonSchema, draft: Draft, problems: Sequence[Problem]) -> None:
        self._schema = schema
        self._draft = draft
        self._numbers = iter(range(1, 1_000_000))
        self.problems = list(dict.fromkeys(problems))

    def root(self, value: object) -> Field:
        return self._build(self._schema.root, value, _Spot("", "", ""))

    def as_json(self, value: object) -> Field:
        return self._json(ANYTHING, value, _Spot("", "", ""))

    def _build(self, schema: object, value: object, spot: _Spot) -> Field:
        part, is_nullable = self._without_null(self._schema.resolved(schema))
        variants = alternatives(part)
        if spot.depth > _DEPTH_MAX:
            return self._json(part, value, spot)
        if variants is not None:
            return self._union(part, variants, value, spot, is_nullable)
        made: Field | None = None
        if (control := control_of(part, value, spot.is_required, is_nullable)) is not None:
            made = self._single(part, control, value, spot)
        elif type_of(part) == "object":
            made = self._object(part, value, spot, is_nullable)
        elif type_of(part) == "array":
            made = self._list(part, value, spot, is_nullable)
        return made or self._json(part, value, spot)

    def _without_null(self, part: Schema) -> tuple[Schema, bool]:
        """`X or null` is X, and nullable."""
        variants = alternatives(part)
        others = [each for each in variants or () if not is_null(each)]
        if variants is None or len(others) != 1:
            return part, False
        around = {name: value for name, value in part.items() if name not in ("anyOf", "oneOf", "type")}
        return {**self._schema.resolved(others[0]), **around}, len(variants) > 1

    def _single(self, part: Schema, control: Control, value: object, spot: _Spot) -> Field:
        if control.kind == "number" and isinstance(value, Unread) and value.text.strip():
            self._take(spot.pointer)  # those are words about JSON
            self.problems.append(Problem(spot.pointer, "not a number"))
        return self._field(
            part, control.kind, f"{control.prefix}:", spot, text=control.text, options=control.options
        )

    def _json(self, part: Schema, value: object, spot: _Spot) -> Field:
        text = value.text if isinstance(value, Unread) else "" if value is MISSING else _as_json(value)
        inside = [problem for problem in self.problems if problem.pointer.startswith(f"{spot.pointer}/")]
        self.problems = [problem for problem in self.problems if problem not in inside]
        told = [f"{problem.pointer.removeprefix(spot.pointer)}: {problem.message}" for problem in inside]
        field = self._field(part, "json", "json:", spot, text=text)
        return replace(field, problems=[*field.problems, *told])

    # ---- values with others inside

    def _union(
        self, part: Schema, variants: list[Any], value: object, spot: _Spot, is_nullable: bool
    ) -> Field:
        if _is_away(value, is_nullable):
            return self._absent(part, value, spot)
        at = self._chosen(variants, value, spot.pointer)
        variant = self._schema.resolved(variants[at])
        if spot.pointer in self._draft.changed:
            value = self._refitted(variant, value)
        around = {name: part[name] for name in ("title", "description") if name in part}
        # An alternative that offers alternatives itself: JSON, for its control would have the same name.
        nested = alternatives(variant) is not None
        made = self._build(ANYTHING if nested else {**variant, **around}, value, spot)
        options = [
            Option(str(number), variant_name(self._schema.resolved(each), each, number), number == at)
            for number, each in enumerate(variants)
        ]
        return replace(made, variants=options, **_leaving(made.can, spot, is_nullable))

    def _chosen(self, variants: list[Any], value: object, pointer: str) -> int:
        chosen = self._draft.chosen.get(pointer)
        if chosen is not None and chosen < len(variants):
            return chosen
        return self._schema.closest(variants, MISSING if value is MISSING else without_unread(value))

    def _refitted(self, variant: Schema, value: object) -> object:
        """What of a value an alternative that was just chosen can go on with: members of the same names."""
        begun = self._schema.initial(variant)
        if not isinstance(begun, dict) or not isinstance(value, dict):
            return begun
        known = properties_of(variant)
        kept = {
            name: each
            for name, each in value.items()
            if name in known and "const" not in self._schema.resolved(known[name])
        }
        return {**begun, **kept}

    def _object(self, part: Schema, value: Any, spot: _Spot, is_nullable: bool) -> Field | None:
        known, extra = properties_of(part), part.get("additionalProperties")
        if not known and not isinstance(extra, dict):
            return None  # any object
        if _is_away(value, is_nullable):
            return self._absent(part, value, spot)
        if not isinstance(value, dict) or len(value) > _ITEMS_MAX:
            return None
        required = required_of(part)
        children = [
            self._build(
                each,
                value.get(name, MISSING),
                self._inside(spot, name, label=name, is_required=name in required),
            )
            for name, each in known.items()
        ]
        of_extra = extra if isinstance(extra, dict) else ANYTHING
        for name in value:
            if name not in known:
                row = len(children)
                inner = replace(self._inside(spot, name, label=""), key=name, can_be_removed=True)
                children.append(
                    self._build(of_extra, value[name], replace(inner, place=f"{spot.place}/~r{row}"))
                )
        grows = isinstance(extra, dict)
        return self._group(part, "object", spot, children, is_nullable, of_extra if grows else None)

    def _list(self, part: Schema, value: Any, spot: _Spot, is_nullable: bool) -> Field | None:
        items, fixed = part.get("items"), part.get("prefixItems")
        of_first = fixed if isinstance(fixed, list) else []
        if not isinstance(items, dict) and not of_first:
            return None  # any list
        if _is_away(value, is_nullable):
            return self._absent(part, value, spot)
        if not isinstance(value, list) or not len(of_first) <= len(value) <= _ITEMS_MAX:
            return None
        of_more = items if isinstance(items, dict) else ANYTHING
        children = []
        for at, each in enumerate(value):
            inner = replace(self._inside(spot, at, label=str(at + 1)), can_be_removed=at >= len(of_first))
            children.append(self._build(of_first[at] if at < len(of_first) else of_more, each, inner))
        return self._group(
            part, "list", spot, children, is_nullable, of_more if isinstance(items, dict) else None
        )

    def _group(
        self,
        part: Schema,
        kind: Literal["object", "list"],
        spot: _Spot,
        children: list[Field],
        is_nullable: bool,
        of_new: Schema | None,
    ) -> Field:
        """of_new: what may be added; None where nothing may."""
        field = self._field(part, kind, f"{kind}:", spot, children=children)
        if of_new is not None:
            field = replace(field, addition=self._schema.initial(of_new), can=field.can | {"grow"})
        return replace(field, **_leaving(field.can, spot, is_nullable))

    def _absent(self, part: Schema, value: object, spot: _Spot) -> Field:
        """A value of which nothing is there yet; a null stays one."""
        text = "null" if value is None else ""
        return self._field(part, "absent", "json:", spot, text=text, addition=self._schema.initial(part))

    def _inside(self, spot: _Spot, step: str | int, label: str, is_required: bool = True) -> _Spot:
        return _Spot(
            pointer_to(spot.place, step), pointer_to(spot.pointer, step), label, is_required, spot.depth + 1
        )

    def _field(self, part: Schema, kind: Kind, prefix: str, spot: _Spot, **more: Any) -> Field:
        return Field(
            kind=kind,
            name=prefix + spot.place,
            place=spot.place,
            pointer=spot.pointer,
            label=spot.label,
            number=next(self._numbers),
            type_name=type_name(part),
            description=said(part, "description"),
            limits=limits(part),
            is_required=spot.is_required,
            placeholder=placeholder(part),
            problems=self._take(spot.pointer),
            key=spot.key,
            can=frozenset({"remove"} if spot.can_be_removed else ()),
            **more,
        )

    def _take(self, pointer: str) -> list[str]:
        found = [problem for problem in self.problems if problem.pointer == pointer]
        self.problems = [problem for problem in self.problems if problem.pointer != pointer]
        return [problem.message for problem in found]


def without_unread(value: object) -> object:
    """The value with null wherever something is no JSON yet."""
    match value:
        case Unread():
            return None
        case dict():
            return {name: without_unread(each) for name, each in value.items()}
        case list():
            return [without_unread(each) for each in value]
    return value


def _as_json(value: object) -> str:
    def plain(each: object) -> object:
        match each:
            case Unread():
                return each.text
            case dict():
                return {name: plain(member) for name, member in each.items()}
            case list():
                return [plain(item) for item in each]
        return each

    return dumps(plain(value), indent=2)


def _is_away(value: object, is_nullable: bool) -> bool:
    """Of an object, a list or one of several: nothing is there."""
    return value is MISSING or (value is None and is_nullable)


def _leaving(can: frozenset[Any], spot: _Spot, is_nullable: bool) -> dict[str, Any]:
    """The button that takes it away again."""
    if spot.is_required and not is_nullable:
        return {}
    return {"can": can | {"leave_out"}, "without": None if spot.is_required else MISSING}
