"""A message with its long fields cut, made from its bytes without decoding what is cut away.

A value may be tens of megabytes, and whoever lists a journal shows the beginning of it. Protobuf would copy
all of it first.
"""

from __future__ import annotations

from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from perdure.errors import MalformedMessage
from perdure.protocol.messages import message_class

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def excerpt(message_type: int, payload: bytes, field_bytes_max: int) -> tuple[bytes, dict[str, int]]:
    """(payload, whole sizes in bytes of the fields that were cut, by name: `Value.content`).

    A payload longer than that may be the mere beginning of a message: it is taken as far as it goes.

    Raises UnknownMessage, and MalformedMessage for what is no protobuf.
    """
    if len(payload) <= field_bytes_max:
        return payload, {}
    cut, sizes = bytearray(), dict[str, int]()
    descriptor = cast(Descriptor, message_class(message_type).DESCRIPTOR)
    _cut(memoryview(payload), descriptor, field_bytes_max, cut, sizes)
    return bytes(cut), sizes


def _cut(
    payload: memoryview, message: Descriptor, bytes_max: int, cut: bytearray, sizes: dict[str, int]
) -> None:
    at = 0
    while at < len(payload):
        start = at
        try:
            tag, at = _varint(payload, at)
            wire_type, length, body = tag & 7, 0, at
            if wire_type == _VARINT:
                _, at = _varint(payload, at)
            elif wire_type == _BYTES:
                length, body = _varint(payload, at)
                at = body + length
            elif wire_type in (_FIXED32, _FIXED64):
                at += 4 if wire_type == _FIXED32 else 8
            else:
                raise MalformedMessage(f"{message.name}: wire type {wire_type}")
        except IndexError:  # the beginning ends here
            return
        if length <= bytes_max and at <= len(payload):
            cut += payload[start:at]
        elif wire_type == _BYTES and (field := message.fields_by_number.get(tag >> 3)) is not None:
            if field.message_type is not None:
                inner = bytearray()
                _cut(payload[body:at], field.message_type, bytes_max, inner, sizes)
            else:
                sizes[f"{message.name}.{field.name}"] = length
                inner = _beginning(payload[body:at], field, bytes_max)
            cut += _encoded(tag) + _encoded(len(inner)) + inner


def _beginning(content: memoryview, field: FieldDescriptor, bytes_max: int) -> bytearray:
    beginning = bytes(content[:bytes_max])
    if field.type == FieldDescriptor.TYPE_STRING:  # not within a character
        return bytearray(beginning.decode(errors="ignore").encode())
    return bytearray(beginning)


def _varint(payload: memoryview, at: int) -> tuple[int, int]:
    """(value, position behind it). Raises IndexError at the end of the payload."""
    value = shift = 0
    while True:
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
