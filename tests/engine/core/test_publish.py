"""Events that an attempt publishes."""

from __future__ import annotations

import handler_frames as says
from rules_script import Script

from perdure.engine.core.actions import Published, Reply
from perdure.engine.core.inputs import Publish
from perdure.streams.append import Batch
from perdure.streams.events import RUN, NewEvent


def publish(
    s: Script, a: str, *words: str, attempt: int = 1, offset: int = 0, source: str = RUN
) -> list[object]:
    events = tuple(NewEvent.of("text", {"delta": word}) for word in words)
    return list(s.apply(Publish(a, attempt, "default", Batch(source, (), offset, events), "asker")))


def told(s: Script, a: str) -> list[str]:
    return [event.payload for event in s.store.streams.read(a, "default", 0, 100)]


def test_events_are_kept_in_order_and_readers_are_woken() -> None:
    s = Script()
    a = s.invoke()
    assert publish(s, a, "x", "y") == [Published(a, "default"), Reply("asker")]
    assert publish(s, a, "z", offset=2) == [Published(a, "default"), Reply("asker")]
    assert told(s, a) == ['{"delta":"x"}', '{"delta":"y"}', '{"delta":"z"}']


def test_what_is_there_already_wakes_nobody() -> None:
    s = Script()
    a = s.invoke()
    publish(s, a, "x")
    assert publish(s, a, "x") == [Reply("asker")]
    assert len(told(s, a)) == 1


def test_a_gap_is_told_with_how_far_the_stream_has_come() -> None:
    s = Script()
    a = s.invoke()
    publish(s, a, "x")
    (reply,) = publish(s, a, "z", offset=2)
    assert isinstance(reply, Reply)
    assert (reply.error is not None, reply.count) == (True, 1)
    assert len(told(s, a)) == 1


def test_an_attempt_that_is_over_publishes_nothing() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.error())
    (reply,) = publish(s, a, "x", attempt=0)
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert reply.error[0] == 410


def test_a_completed_invocation_takes_no_more_events() -> None:
    s = Script()
    a = s.invoke()
    publish(s, a, "x")
    s.says(a, says.output(b"done"), says.end())
    (reply,) = publish(s, a, "y", offset=1)
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert reply.error[0] == 410
    assert len(told(s, a)) == 1


def test_an_unknown_invocation() -> None:
    (reply,) = publish(Script(), "inv_nothing", "x")
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert reply.error[0] == 404
