"""A stream of frames, cut anywhere, is the same frames; and a bad stream is refused as early as it can be."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import FrameTooLarge, FrameTruncated
from perdure.protocol.frames import HEADER, Frame, FrameDecoder, encode_frame

frames = st.lists(st.builds(Frame, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=300)))


def encoded(sent: list[Frame]) -> bytes:
    return b"".join(encode_frame(f.type, f.payload, f.flags) for f in sent)


@given(frames, st.data())
def test_any_split_gives_the_same_frames(sent: list[Frame], data: st.DataObject) -> None:
    stream = encoded(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    decoder = FrameDecoder()

    received: list[Frame] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:stop])
    decoder.end()

    assert received == sent


@given(frames)
def test_a_frame_is_given_with_its_last_byte_and_no_earlier(sent: list[Frame]) -> None:
    decoder = FrameDecoder()
    for one in sent:
        *body, last = encoded([one])
        assert [f for byte in body for f in decoder.feed(bytes([byte]))] == []
        assert decoder.feed(bytes([last])) == [one]


def test_the_header_is_eight_bytes_big_endian() -> None:
    assert encode_frame(0x0411, b"abc", 0x8000) == bytes.fromhex("0411 8000 00000003") + b"abc"


def test_an_oversized_frame_is_refused_by_its_header_alone() -> None:
    decoder = FrameDecoder(payload_bytes_max=10)
    assert decoder.feed(encode_frame(5, b"x" * 10)) == [Frame(5, 0, b"x" * 10)]
    with pytest.raises(FrameTooLarge, match=r"0x0005 announces 11 bytes; the limit is 10"):
        decoder.feed(HEADER.pack(5, 0, 11))


@pytest.mark.parametrize("cut", [1, 7, 8, 10])
def test_a_stream_that_ends_inside_a_frame_is_truncated(cut: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(5, b"abc") + encode_frame(5, b"abc")[:cut])
    with pytest.raises(FrameTruncated, match=f"ended {cut} bytes into a frame"):
        decoder.end()


def test_a_large_frame_in_small_chunks_costs_time_in_proportion_to_its_size() -> None:
    """As HTTP/2 brings it. The engine has one thread: what is slow here stops every other invocation."""

    def seconds(payload_bytes: int) -> float:
        stream = encode_frame(5, b"x" * payload_bytes)
        decoder = FrameDecoder()
        started = time.thread_time()
        received = [f for at in range(0, len(stream), 4096) for f in decoder.feed(stream[at : at + 4096])]
        assert [len(f.payload) for f in received] == [payload_bytes]
        return time.thread_time() - started

    # Linear: 8 times the bytes in 8 times the time. Joining all bytes anew at each chunk: in 64 times.
    assert seconds(24 << 20) < 24 * max(seconds(3 << 20), 0.005)
