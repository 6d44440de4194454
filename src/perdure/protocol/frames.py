"""Frames: an 8-byte header, then a payload.

    0       2       4               8
    +-------+-------+---------------+------------- - -
    | type  | flags | payload_bytes | payload
    +-------+-------+---------------+------------- - -

All big-endian. Of the flags only the highest bit has a meaning: REQUESTED_ACK, on a proposed run
completion. The decoder takes bytes as they come, split anywhere, and gives back whole frames; it never
keeps more than one incomplete frame, and refuses a frame by its header, before its payload arrives.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from perdure.errors import FrameTooLarge, FrameTruncated

HEADER = Struct(">HHI")
REQUESTED_ACK = 0x8000
PAYLOAD_BYTES_MAX = 32 * 1024 * 1024


class Frame(NamedTuple):
    """One frame. `type` is the 16-bit message type; see `messages.MessageType`."""

    type: int
    flags: int
    payload: bytes


def encode_frame(message_type: int, payload: bytes, flags: int = 0) -> bytes:
    """The bytes of one frame."""
    return HEADER.pack(message_type, flags, len(payload)) + payload


class FrameDecoder:
    """Splits a byte stream into frames.

    Raises:
        FrameTooLarge: a header announces more than `payload_bytes_max` bytes.
        FrameTruncated: `end()` was called inside a frame.
    """

    __slots__ = ("_buffer", "_payload_bytes_max")

    def __init__(self, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._payload_bytes_max = payload_bytes_max

    def feed(self, data: bytes) -> list[Frame]:
        """Add bytes; return the frames that they complete, in order."""
        # Mostly whole frames arrive, and are cut out of `data` itself. What is incomplete grows in place: to
        # join it anew with each chunk would take time in the square of a large frame's size.
        buffer: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            buffer = self._buffer
        frames: list[Frame] = []
        position, end = 0, len(buffer)
        while end - position >= HEADER.size:
            message_type, flags, length = HEADER.unpack_from(buffer, position)
            if length > self._payload_bytes_max:
                raise FrameTooLarge(
                    f"a frame of type 0x{message_type:04X} announces {length} bytes; "
                    f"the limit is {self._payload_bytes_max}"
                )
            payload_end = position + HEADER.size + length
            if payload_end > end:
                break
            frames.append(Frame(message_type, flags, bytes(buffer[position + HEADER.size : payload_end])))
            position = payload_end
        if buffer is self._buffer:
            del self._buffer[:position]
        else:
            self._buffer += buffer[position:]
        return frames

    def end(self) -> None:
        """The stream has ended: it must not have ended inside a frame."""
        if self._buffer:
            raise FrameTruncated(f"the stream ended {len(self._buffer)} bytes into a frame")
