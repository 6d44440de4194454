"""Frames of server-sent events, and back."""

from __future__ import annotations

import httpx2
import pytest

from perdure.streams.end import failed
from perdure.streams.events import NewEvent, StreamEvent
from perdure.streams.sse import event_of, frames


@pytest.mark.parametrize(
    "event",
    [
        StreamEvent(
            0, "text", NewEvent.of("text", {"delta": "Tag 🌍\n\n\u2028data: x\r\n"}).payload, "s1", 5
        ),
        StreamEvent(7, "attempt", '{"source":"s1","from":3}', "s1", 6),
        failed(8, 422, "no", 7),
    ],
)
def test_an_event_comes_back_from_its_frame_as_it_was(event: StreamEvent) -> None:
    answer = httpx2.Response(
        200,
        content=frames([event]),
        headers={"content-type": "text/event-stream"},
        request=httpx2.Request("GET", "http://test"),
    )
    [frame] = httpx2.EventSource(answer)
    assert event_of(frame.id, frame.event, frame.data) == event
