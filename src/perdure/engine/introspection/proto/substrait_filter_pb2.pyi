from google.protobuf import any_pb2 as _any_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExtendedExpression(_message.Message):
    __slots__ = ("extensions", "referred_expr")
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    REFERRED_EXPR_FIELD_NUMBER: _ClassVar[int]
    extensions: _containers.RepeatedCompositeFieldContainer[ExtensionDeclaration]
    referred_expr: _containers.RepeatedCompositeFieldContainer[ExpressionReference]
    def __init__(self, extensions: _Optional[_Iterable[_Union[ExtensionDeclaration, _Mapping]]] = ..., referred_expr: _Optional[_Iterable[_Union[ExpressionReference, _Mapping]]] = ...) -> None: ...

class ExtensionDeclaration(_message.Message):
    __slots__ = ("function",)
    class Function(_message.Message):
        __slots__ = ("anchor", "name")
        ANCHOR_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        anchor: int
        name: str
        def __init__(self, anchor: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    function: ExtensionDeclaration.Function
    def __init__(self, function: _Optional[_Union[ExtensionDeclaration.Function, _Mapping]] = ...) -> None: ...

class ExpressionReference(_message.Message):
    __slots__ = ("expression",)
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    expression: Expression
    def __init__(self, expression: _Optional[_Union[Expression, _Mapping]] = ...) -> None: ...

class Expression(_message.Message):
    __slots__ = ("literal", "selection", "scalar_function", "singular_or_list")
    LITERAL_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SCALAR_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    SINGULAR_OR_LIST_FIELD_NUMBER: _ClassVar[int]
    literal: Literal
    selection: FieldReference
    scalar_function: ScalarFunction
    singular_or_list: SingularOrList
    def __init__(self, literal: _Optional[_Union[Literal, _Mapping]] = ..., selection: _Optional[_Union[FieldReference, _Mapping]] = ..., scalar_function: _Optional[_Union[ScalarFunction, _Mapping]] = ..., singular_or_list: _Optional[_Union[SingularOrList, _Mapping]] = ...) -> None: ...

class Literal(_message.Message):
    __slots__ = ("boolean", "i8", "i16", "i32", "i64", "string", "binary", "timestamp_tz", "user_defined")
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    I8_FIELD_NUMBER: _ClassVar[int]
    I16_FIELD_NUMBER: _ClassVar[int]
    I32_FIELD_NUMBER: _ClassVar[int]
    I64_FIELD_NUMBER: _ClassVar[int]
    STRING_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_TZ_FIELD_NUMBER: _ClassVar[int]
    USER_DEFINED_FIELD_NUMBER: _ClassVar[int]
    boolean: bool
    i8: int
    i16: int
    i32: int
    i64: int
    string: str
    binary: bytes
    timestamp_tz: int
    user_defined: UserDefined
    def __init__(self, boolean: bool = ..., i8: _Optional[int] = ..., i16: _Optional[int] = ..., i32: _Optional[int] = ..., i64: _Optional[int] = ..., string: _Optional[str] = ..., binary: _Optional[bytes] = ..., timestamp_tz: _Optional[int] = ..., user_defined: _Optional[_Union[UserDefined, _Mapping]] = ...) -> None: ...

class UserDefined(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: _any_pb2.Any
    def __init__(self, value: _Optional[_Union[_any_pb2.Any, _Mapping]] = ...) -> None: ...

class FieldReference(_message.Message):
    __slots__ = ("direct_reference",)
    class Segment(_message.Message):
        __slots__ = ("struct_field",)
        class StructField(_message.Message):
            __slots__ = ("field",)
            FIELD_FIELD_NUMBER: _ClassVar[int]
            field: int
            def __init__(self, field: _Optional[int] = ...) -> None: ...
        STRUCT_FIELD_FIELD_NUMBER: _ClassVar[int]
        struct_field: FieldReference.Segment.StructField
        def __init__(self, struct_field: _Optional[_Union[FieldReference.Segment.StructField, _Mapping]] = ...) -> None: ...
    DIRECT_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    direct_reference: FieldReference.Segment
    def __init__(self, direct_reference: _Optional[_Union[FieldReference.Segment, _Mapping]] = ...) -> None: ...

class ScalarFunction(_message.Message):
    __slots__ = ("function_reference", "arguments")
    FUNCTION_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    function_reference: int
    arguments: _containers.RepeatedCompositeFieldContainer[Argument]
    def __init__(self, function_reference: _Optional[int] = ..., arguments: _Optional[_Iterable[_Union[Argument, _Mapping]]] = ...) -> None: ...

class Argument(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: Expression
    def __init__(self, value: _Optional[_Union[Expression, _Mapping]] = ...) -> None: ...

class SingularOrList(_message.Message):
    __slots__ = ("value", "options")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    value: Expression
    options: _containers.RepeatedCompositeFieldContainer[Expression]
    def __init__(self, value: _Optional[_Union[Expression, _Mapping]] = ..., options: _Optional[_Iterable[_Union[Expression, _Mapping]]] = ...) -> None: ...
