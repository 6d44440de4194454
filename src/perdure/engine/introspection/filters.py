"""From a filter that DataFusion pushes down to a condition of SQLite.

DataFusion's Python package gives a table its filter as a pyarrow Expression, which cannot be looked into. But
it can be written as Substrait, a published format; that is what is read here. Where something in it has no
SQL of ours, the condition is a weaker one (`exact` is False), and the scan filters its rows once more, as
pyarrow understands the filter: `x NOT IN (...)` then keeps rows where x is null. What is left to it are
comparisons with durations and with numbers beyond 63 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import wrappers_pb2
from google.protobuf.message import DecodeError

from perdure.engine.introspection.proto import substrait_filter_pb2 as pb

_COMPARISONS = {"equal": "=", "not_equal": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_WRAPPERS = (wrappers_pb2.UInt64Value, wrappers_pb2.BytesValue, wrappers_pb2.StringValue)

Parameter = str | int | bytes


class Untranslatable(Exception):
    """A part of a filter that has no SQL here."""


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL text with its parameters. Rows for which the filter holds satisfy it; if `exact`, no others do."""

    sql: str = "1"
    parameters: tuple[Parameter, ...] = ()
    exact: bool = True


def condition_of(expression: pc.Expression | None, schema: pa.Schema, sql_of: Mapping[str, str]) -> Condition:
    """The condition for a filter over `schema`, whose columns have the SQL that `sql_of` gives."""
    if expression is None:
        return Condition()
    try:
        message = pb.ExtendedExpression.FromString(bytes(expression.to_substrait(_substrait_schema(schema))))
    except (pa.ArrowException, DecodeError, ValueError, NotImplementedError):
        return Condition(exact=False)
    functions = {each.function.anchor: each.function.name for each in message.extensions}
    columns = [sql_of[name] for name in schema.names]
    return _Translation(functions, columns).condition(message.referred_expr[0].expression)


def _substrait_schema(schema: pa.Schema) -> pa.Schema:
    """The schema, with a stand-in for types that Arrow cannot write as Substrait. A filter on one of those
    does not fit the stand-in, and is not translated."""
    return pa.schema(
        [
            field.with_type(pa.null())
            if pa.types.is_duration(field.type) or pa.types.is_list(field.type)
            else field
            for field in schema
        ]
    )


class _Translation:
    def __init__(self, functions: Mapping[int, str], columns: Sequence[str]) -> None:
        self._functions = functions
        self._columns = columns
        self._parameters: list[Parameter] = []

    def condition(self, expression: pb.Expression) -> Condition:
        """A conjunction may lose what cannot be translated; nothing else may."""
        name, arguments = self._call(expression)
        if name == "and":
            parts = [self.condition(argument) for argument in arguments]
            sql = " AND ".join(f"({part.sql})" for part in parts)
            return Condition(sql, sum((p.parameters for p in parts), ()), all(p.exact for p in parts))
        self._parameters = []
        try:
            sql = self._sql(expression)
        except Untranslatable:
            return Condition(exact=False)
        return Condition(sql, tuple(self._parameters))

    def _call(self, expression: pb.Expression) -> tuple[str, list[pb.Expression]]:
        if expression.WhichOneof("kind") != "scalar_function":
            return "", []
        function = expression.scalar_function
        name = self._functions.get(function.function_reference, "")
        return name.partition(":")[0], [argument.value for argument in function.arguments]

    def _sql(self, expression: pb.Expression) -> str:
        match expression.WhichOneof("kind"):
            case "selection":
                return f"({self._columns[expression.selection.direct_reference.struct_field.field]})"
            case "literal":
                self._parameters.append(_value(expression.literal))
                return "?"
            case "singular_or_list":
                listed = expression.singular_or_list
                value = self._sql(listed.value)
                return f"{value} IN ({', '.join(self._sql(option) for option in listed.options)})"
            case "scalar_function":
                return self._function(*self._call(expression))
            case _:
                raise Untranslatable

    def _function(self, name: str, arguments: Sequence[pb.Expression]) -> str:
        operands = [self._sql(argument) for argument in arguments]
        render = _FUNCTIONS.get(name)
        if render is None:
            raise Untranslatable(name)
        return render(operands)


_FUNCTIONS: dict[str, Callable[[Sequence[str]], str]] = {
    **{
        name: lambda operands, operator=operator: f"({operands[0]} {operator} {operands[1]})"  # type: ignore[misc]
        for name, operator in _COMPARISONS.items()
    },
    "and": lambda operands: f"({' AND '.join(operands)})",
    "or": lambda operands: f"({' OR '.join(operands)})",
    "not": lambda operands: f"(NOT {operands[0]})",
    "is_null": lambda operands: f"({operands[0]} IS NULL)",
    "is_not_null": lambda operands: f"({operands[0]} IS NOT NULL)",
}


def _value(literal: pb.Literal) -> Parameter:
    match literal.WhichOneof("value"):
        case "boolean" | "i8" | "i16" | "i32" | "i64" | "string" | "binary" as kind:
            value: Parameter = getattr(literal, kind)
            return value
        case "timestamp_tz":
            at_ms, rest = divmod(literal.timestamp_tz, 1000)
            if rest == 0:
                return at_ms
        case "user_defined":
            for wrapper in _WRAPPERS:
                message = wrapper()
                if literal.user_defined.value.Unpack(message):
                    wrapped: Parameter = message.value
                    if not isinstance(wrapped, int) or wrapped < 2**63:
                        return wrapped
    raise Untranslatable(literal)
