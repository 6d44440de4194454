"""The fields of a form, as a template shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from perdure.ui.schema_form.schema import MISSING, Problem

Kind = Literal["text", "number", "flag", "choice", "fixed", "json", "object", "list", "absent"]


@dataclass(frozen=True, slots=True)
class Option:
    """value: as it is posted."""

    value: str
    label: str
    is_selected: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field, with those inside of it.

    name: of its control. place: the rest of that name. pointer: of its value; they differ below a member that
    a person named (`key`). text: what the control holds. variants: the alternatives, where there are several.
    addition: what a new item is, or the field itself where it is `absent`. without: what it is once it is
    left out. can: what buttons it has.
    """

    kind: Kind
    name: str
    place: str
    pointer: str
    label: str
    number: int
    type_name: str = ""
    description: str = ""
    limits: str = ""
    is_required: bool = True
    text: str = ""
    placeholder: str = ""
    options: Sequence[Option] = ()
    variants: Sequence[Option] = ()
    children: Sequence[Field] = ()
    problems: Sequence[str] = ()
    key: str | None = None
    addition: object = MISSING
    without: object = MISSING
    can: frozenset[Literal["grow", "leave_out", "remove"]] = frozenset()

    def walk(self) -> Iterator[Field]:
        """Itself, and all inside of it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Form:
    """problems: those that belong to no field that is shown."""

    field: Field
    problems: Sequence[Problem]

    @property
    def is_right(self) -> bool:
        return not self.problems and not any(field.problems for field in self.field.walk())


def controls(field: Field) -> list[tuple[str, str]]:
    """What a browser posts of one field that nobody has touched."""
    pairs: list[tuple[str, str]] = []
    if field.key is not None:
        pairs.append((f"key:{field.place}", field.key))
    for option in field.variants:
        if option.is_selected:
            pairs += [(f"was:{field.place}", option.value), (f"variant:{field.place}", option.value)]
    match field.kind:
        case "choice":
            pairs.append((field.name, next((o.value for o in field.options if o.is_selected), "")))
        case "absent" if not field.text:
            pass
        case _:
            pairs.append((field.name, field.text))
    return pairs
