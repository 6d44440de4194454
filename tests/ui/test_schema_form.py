"""A handler's JSON schema as a form: what it shows, and that what is posted is what was shown."""

from __future__ import annotations

import enum
from datetime import date
from html.parser import HTMLParser
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from perdure.ui.pages import templates
from perdure.ui.schema_form.actions import changed, settled
from perdure.ui.schema_form.build import form, without_unread
from perdure.ui.schema_form.field import Field as Shown
from perdure.ui.schema_form.field import controls
from perdure.ui.schema_form.json_values import loads
from perdure.ui.schema_form.posted import Draft, read
from perdure.ui.schema_form.schema import MISSING, JsonSchema, Problem


class Size(enum.Enum):
    small = "s"
    large = "l"


class Address(BaseModel):
    street: str
    floor: int | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    name: str
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str
    good: bool = True


class Tree(BaseModel):
    label: str
    children: list[Tree] = []
    parent: Tree | None = None


class Order(BaseModel):
    number: int = Field(gt=0, description="As printed on the bill.")
    size: Size = Size.small
    ship_to: Address
    bill_to: Address | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    tags: list[str] = []
    stock: dict[str, int] = {}
    place: tuple[int, str] = (1, "a")
    tree: Tree | None = None
    code: int | str = 3
    extra: Any = None
    due: date | None = None
    gift: bool = False


ORDER = JsonSchema(Order.model_json_schema())


def shown(schema: JsonSchema, value: object) -> dict[str, Shown]:
    return {field.pointer: field for field in form(schema, Draft(value)).field.walk()}


def posted(schema: JsonSchema, draft: Draft) -> Draft:
    """What a browser makes of a draft: shown, untouched, and posted."""
    return read(pair for field in form(schema, draft).field.walk() for pair in controls(field))


def edited(schema: JsonSchema, value: object, texts: dict[str, str]) -> Draft:
    """The value after a person typed these texts into the controls of these names."""
    pairs = [pair for field in form(schema, Draft(value)).field.walk() for pair in controls(field)]
    assert texts.keys() <= {name for name, _ in pairs}
    return read((name, texts.get(name, text)) for name, text in pairs)


def test_a_form_begins_with_the_defaults_and_what_is_required() -> None:
    begun = ORDER.initial(ORDER.root)
    assert begun == {
        "size": "s",
        "ship_to": {"street": ""},
        "pet": {"kind": "cat", "name": "", "lives": 9},
        "tags": [],
        "stock": {},
        "place": [1, "a"],
        "code": 3,
        "gift": False,
    }
    fields = shown(ORDER, begun)
    assert {pointer: field.kind for pointer, field in fields.items() if pointer.count("/") == 1} == {
        "/number": "number",
        "/size": "choice",
        "/ship_to": "object",
        "/bill_to": "absent",
        "/pet": "object",
        "/tags": "list",
        "/stock": "object",
        "/place": "list",
        "/tree": "absent",
        "/code": "number",
        "/extra": "json",
        "/due": "text",
        "/gift": "choice",
    }
    assert fields["/number"].description == "As printed on the bill."
    assert (fields["/number"].limits, fields["/number"].is_required) == ("more than 0", True)
    assert [option.label for option in fields["/pet"].variants] == ["Cat", "Dog"]
    assert fields["/pet/kind"].kind == "fixed"
    assert fields["/due"].limits == "date"


def test_what_is_typed_is_read_by_the_schema() -> None:
    value = edited(
        ORDER,
        ORDER.initial(ORDER.root),
        {"json:/number": "7", "text:/ship_to/street": "Main\r\nStreet", "text?:/due": "2026-01-01"},
    ).value
    assert isinstance(value, dict)
    assert (value["number"], value["due"]) == (7, "2026-01-01")
    assert value["ship_to"] == {"street": "Main\nStreet"}  # floor was left blank, and so left out
    assert "extra" not in value
    assert Order.model_validate(value).pet == Cat(kind="cat", name="")


def test_what_is_no_number_stays_as_it_was_typed_beside_what_is_wrong() -> None:
    draft = edited(ORDER, ORDER.initial(ORDER.root), {"json:/number": "seven"})
    again = form(ORDER, draft)
    field = next(field for field in again.field.walk() if field.pointer == "/number")
    assert (field.kind, field.text, field.problems) == ("number", "seven", ["not a number"])
    assert not again.is_right


def test_problems_stand_at_their_fields() -> None:
    value = {"number": -1, "ship_to": {}, "pet": {"kind": "dog", "name": 3}, "tags": ["a", 1], "new": 1}
    problems = ORDER.problems(value)
    told = form(ORDER, Draft(value), problems)
    by_pointer = {field.pointer: field.problems for field in told.field.walk() if field.problems}
    assert by_pointer == {
        "/number": ["-1 is less than or equal to the minimum of 0"],
        "/ship_to/street": ["a value is required"],
        "/pet/name": ["3 is not of type 'string'"],
        "/tags/1": ["1 is not of type 'string'"],
    }


def test_problems_inside_of_json_are_told_with_their_place() -> None:
    schema = JsonSchema({"properties": {"any": {"type": "object", "required": ["a"]}}, "required": ["gone"]})
    told = form(schema, Draft({"any": {}}), schema.problems({"any": {}}))
    field = next(field for field in told.field.walk() if field.pointer == "/any")
    assert (field.kind, field.problems) == ("json", ["/a: a value is required"])
    assert told.problems == [Problem("/gone", "a value is required")]  # no field shows it
    whole = form(schema, Draft({"any": {}}), schema.problems({"any": {}}), as_json=True)
    assert set(whole.field.problems) == {"/gone: a value is required", "/any/a: a value is required"}


def test_buttons_add_remove_include_and_leave_out() -> None:
    draft = Draft(ORDER.initial(ORDER.root))
    for what in (
        "add:/tags",
        "add:/tags",
        "include:/bill_to",
        "add:/stock",
        "include:/tree",
        "add:/tree/children",
    ):
        draft = posted(ORDER, changed(ORDER, draft, what))
    value = without_unread(draft.value)
    assert isinstance(value, dict)
    assert (value["tags"], value["bill_to"], value["stock"]) == (["", ""], {"street": ""}, {"key1": None})
    assert value["tree"] == {"label": "", "children": [{"label": "", "children": []}]}
    for what in ("remove:/tags/0", "leave-out:/bill_to", "remove:/stock/key1", "leave-out:/tree"):
        draft = posted(ORDER, changed(ORDER, draft, what))
    assert draft.value == ORDER.initial(ORDER.root) | {"tags": [""]}  # type: ignore[operator]


@pytest.mark.parametrize(
    "what", ["", "add:", "add:/nowhere", "remove:/number", "leave-out:/ship_to", "x:/tags"]
)
def test_a_button_that_is_none_changes_nothing(what: str) -> None:
    draft = Draft(ORDER.initial(ORDER.root))
    assert changed(ORDER, draft, what) is draft


def test_another_alternative_keeps_what_both_know() -> None:
    draft = edited(ORDER, ORDER.initial(ORDER.root), {"variant:/pet": "1", "text:/pet/name": "Rex"})
    assert draft.changed == ["/pet"]
    draft = settled(ORDER, draft)
    assert isinstance(draft.value, dict)
    assert draft.value["pet"] == {"kind": "dog", "name": "Rex", "good": True}
    assert draft.value["code"] == 3
    assert draft.changed == []


def test_an_alternative_that_was_chosen_stays_and_tells_its_own_problems() -> None:
    schema = JsonSchema(TypeAdapter(int | list[int]).json_schema())
    draft = settled(schema, read([("json:", "3"), ("was:", "0"), ("variant:", "1")]))
    assert draft.value == []
    problems = schema.problems(["x"], draft.chosen)
    assert problems == [Problem("/0", "'x' is not of type 'integer'")]


def test_members_are_renamed_and_never_lost() -> None:
    schema = JsonSchema({"type": "object", "additionalProperties": {"type": "integer"}})
    rows = [("object:", ""), ("key:/~r0", "a"), ("json:/~r0", "1"), ("key:/~r1", "a"), ("json:/~r1", "2")]
    draft = read(rows)
    assert draft.value == {"a": 1, "a (2)": 2}
    again = form(schema, draft)
    assert [field.problems for field in again.field.children] == [[], ["there is another of this name"]]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, 3),
        ({"type": "string"}, "a\x00b"),
        ({"type": "string"}, "a\rb"),
        ({"type": "string"}, "\ud800"),
        ({"type": "integer"}, "3"),
        ({"type": "array", "items": {"type": "integer"}}, list(range(1000))),
        ({"enum": [1, 2]}, True),
        ({"const": 1}, 2),
        ({"type": "object", "properties": {"a": {}}}, [1]),
        ({"type": "null"}, 1),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"a": "b"}),
        ({"not": {"type": "string"}}, 1),
        ({}, {"anything": [1, None]}),
        (True, 1),
        (None, "x"),
        ("nonsense", "x"),
        ({"type": "nonsense", "properties": []}, "x"),
        ({"type": "string", "pattern": "("}, 3),
    ],
)
def test_what_a_field_cannot_show_is_json(schema: object, value: object) -> None:
    told = JsonSchema(schema)
    assert form(told, Draft(value)).field.kind == "json"
    assert posted(told, Draft(value)).value == value


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/gone"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"allOf": [{"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "prefixItems": [{"$ref": "#"}]},
    ],
)
def test_references_to_themselves_nowhere_and_elsewhere_end(schema: dict[str, Any]) -> None:
    told = JsonSchema(schema)
    draft = Draft(told.initial(schema))
    assert sum(1 for _ in form(told, draft).field.walk()) < 100
    told.problems({"a": 1})
    assert posted(told, draft).value == draft.value


def test_allof_and_what_stands_beside_a_reference_are_merged() -> None:
    schema = JsonSchema(
        {
            "$defs": {"named": {"properties": {"name": {"type": "string"}}, "required": ["name"]}},
            "allOf": [{"$ref": "#/$defs/named"}, {"properties": {"age": {"type": "integer"}}}],
            "description": "Somebody",
        }
    )
    told = form(schema, Draft(schema.initial(schema.root))).field
    assert (told.kind, told.description) == ("object", "Somebody")
    assert [(child.label, child.is_required) for child in told.children] == [("name", True), ("age", False)]


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e999", "{", "1 2", "[" * 100_000])
def test_what_is_not_json_is_told_and_kept(text: str) -> None:
    draft = read([("json:", text)])
    assert draft.problems
    assert form(JsonSchema({}), draft, as_json=True).field.text == text


def test_names_that_are_no_controls_are_passed_over() -> None:
    assert read([("do", "send"), ("text:nowhere", "x"), ("text:" + "/a" * 5000, "x")]).value is MISSING


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["", " ", "s", "cat", "\r\n", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    "number",
    "size",
    "ship_to",
    "bill_to",
    "pet",
    "tags",
    "stock",
    "place",
    "tree",
    "code",
    "extra",
    "gift",
)


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), JSON, max_size=6) | JSON)
def test_any_value_is_posted_as_it_was_shown(value: object) -> None:
    draft = posted(ORDER, Draft(value))
    assert draft.problems == []
    assert draft.value == value
    assert repr(draft.value) == repr(posted(ORDER, draft).value)


@settings(max_examples=60, deadline=None)
@given(JSON, JSON)
def test_any_schema_shows_any_value(schema: object, value: object) -> None:
    assert posted(JsonSchema(schema), Draft(value)).value == value


class Controls(HTMLParser):
    """What a browser would post of a form that nobody touches."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self._writing: tuple[str, list[str]] | None = None
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if tag == "input" and (facts.get("type") != "checkbox" or "checked" in facts):
            self.pairs.append((facts["name"], facts["value"]))
        elif tag == "select":
            self._select = facts["name"]
        elif tag == "option" and "selected" in facts:
            self.pairs.append((self._select, facts["value"]))
        elif tag == "textarea":
            self._writing = (facts["name"], [])

    def handle_data(self, data: str) -> None:
        if self._writing is not None:
            self._writing[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._writing is not None:
            name, texts = self._writing
            self.pairs.append((name, "".join(texts).removeprefix("\n")))  # as HTML has it
            self._writing = None


PAGE = templates.from_string(
    '{% import "schema_form.html" as fields with context %}{{ fields.root(form) }}',
    globals={"static": str, "url": str},
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), JSON, max_size=6) | JSON)
@example({"stock": {"<b>": True, "": 1}, "tags": ["\n\n", "<i>"], "gift": True, "extra": "</textarea>"})
def test_the_page_posts_what_the_form_says(value: object) -> None:
    draft = Draft(value)
    fields = form(ORDER, draft).field
    page = Controls(PAGE.render(form=form(ORDER, draft)))
    assert read(page.pairs).value == value
    assert {name for name, _ in page.pairs} == {name for each in fields.walk() for name, _ in controls(each)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 101 + "]" * 101, "more than 100 levels: send it with curl"),
        (f'"{"x" * 262_144}"', "longer than 262,144 characters: send it with curl"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_json_that_no_person_wrote_is_refused_before_a_form_is_made_of_it(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        loads(text)


def test_a_hundred_levels_are_read() -> None:
    assert loads("[" * 100 + "]" * 100) is not None
