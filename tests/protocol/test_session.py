"""One attempt as a message script: given these frames, exactly these events and these bytes."""

from __future__ import annotations

import handler_frames as says
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.engine.core.model import Failure
from perdure.errors import FrameTooLarge, FrameTruncated, MalformedMessage, ProtocolViolation, UnknownMessage
from perdure.protocol.frames import Frame, FrameDecoder, encode_frame
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.protocol.session import (
    AttemptFailed,
    AttemptSession,
    Awaiting,
    CommandSent,
    Ended,
    Event,
    RunProposed,
    Suspended,
)

VERSIONS = [5, 6, 7]
INPUT = (MessageType.INPUT, pb.InputCommand(value=pb.Value(content=b"in")).SerializeToString())


def opened(version: int = 7, *journal: tuple[int, bytes]) -> AttemptSession:
    session = AttemptSession(version)
    session.start(pb.Start(id=b"id"), [INPUT, *journal])
    return session


def command(frame: bytes) -> CommandSent:
    """What the session makes of a command's frame: its payload untouched."""
    [(kind, _, payload)] = FrameDecoder().feed(frame)
    event = opened().receive(frame)[0]
    assert event == CommandSent(kind, payload, event.message)  # type: ignore[union-attr]
    return event  # type: ignore[return-value]


def stored(completion_id: int, value: bytes) -> bytes:
    return pb.Notification(completion_id=completion_id, value=pb.Value(content=value)).SerializeToString()


# ---- runtime to handler


def test_an_attempt_opens_with_start_and_the_journal_byte_for_byte() -> None:
    run = (MessageType.RUN, b"\x62\x03sum\xfa\x3f\x01x")  # with a field that we do not know
    opening = AttemptSession(7).start(pb.Start(id=b"id", debug_id="inv_1x"), [INPUT, run])

    start, *journal = FrameDecoder().feed(opening)
    assert start.type == MessageType.START
    assert pb.Start.FromString(start.payload) == pb.Start(id=b"id", debug_id="inv_1x", known_entries=2)
    assert journal == [Frame(*INPUT[:1], 0, INPUT[1]), Frame(run[0], 0, run[1])]


def test_a_notification_goes_out_as_it_was_journaled() -> None:
    payload = stored(3, b"v")
    assert opened().notification(0x800C, payload) == encode_frame(0x800C, payload)


@pytest.mark.parametrize(
    ("version", "ack_requested", "short"),
    [(5, False, False), (5, True, False), (6, True, False), (7, False, False), (7, True, True)],
)
def test_a_stored_run_is_answered_with_its_result_or_from_version_7_on_with_an_ack(
    version: int, ack_requested: bool, short: bool
) -> None:
    session = opened(version)
    _, proposed = session.receive(says.run(1) + says.propose(1, b"v", ack=ack_requested))
    assert proposed == RunProposed(1, stored(1, b"v"), ack_requested)

    [answer] = FrameDecoder().feed(session.run_stored(proposed))
    if short:
        ack = pb.ProposeRunCompletionAck(completion_id=1).SerializeToString()
        assert answer == Frame(MessageType.PROPOSE_RUN_COMPLETION_ACK, 0, ack)
    else:
        assert answer == Frame(MessageType.RUN_COMPLETION, 0, stored(1, b"v"))


# ---- handler to runtime


def test_a_whole_conversation() -> None:
    frames = [
        says.run(1, "lookup"),
        says.awaiting(executing_side_effects=True),
        says.propose(1, b"found"),
        says.sleep(2, 1000),
        says.output(b"done"),
        says.end(),
    ]
    session = opened()
    assert session.receive(b"".join(frames)) == [
        command(frames[0]),
        Awaiting(True),
        RunProposed(1, stored(1, b"found"), False),
        command(frames[3]),
        command(frames[4]),
        Ended(),
    ]
    assert session.ended
    assert session.receive_end() is None


def test_a_runs_failure_is_journaled_with_its_metadata() -> None:
    failure = Failure(422, "no such city", (("city", "Détroit"),))
    [_, proposed] = opened(6).receive(says.run(4) + says.propose(4, failure))
    assert isinstance(proposed, RunProposed)
    assert pb.Notification.FromString(proposed.payload) == pb.Notification(
        completion_id=4,
        failure=pb.Failure(
            code=422, message="no such city", metadata=[pb.FailureMetadata(key="city", value="Détroit")]
        ),
    )


def test_an_empty_value_is_a_value() -> None:
    [_, proposed] = opened().receive(says.run(1) + says.propose(1, b""))
    assert isinstance(proposed, RunProposed)
    assert pb.Notification.FromString(proposed.payload).WhichOneof("result") == "value"
    assert opened().receive(says.output(b"") + says.end())[-1] == Ended()


@pytest.mark.parametrize("version", [5, 6])
def test_a_flat_suspension_awaits_the_first_of_all_that_it_lists(version: int) -> None:
    session = opened(version)
    [event] = session.receive(says.suspend_flat(1, 2, signals=(17,), named=("go",)))
    assert isinstance(event, Suspended)
    assert pb.Future.FromString(event.awaiting_on) == says.future(1, 2, signals=(17,), named=("go",))
    assert session.ended


def test_a_version_7_suspension_is_a_tree_and_is_kept_as_one() -> None:
    tree = says.future(1, nested=(says.future(2, 3, of=pb.ALL_COMPLETED),), of=pb.UNKNOWN)
    [event] = opened(7).receive(says.suspend(on=tree))
    assert isinstance(event, Suspended)
    assert pb.Future.FromString(event.awaiting_on) == tree


def test_an_error_says_all_that_it_knows() -> None:
    session = opened()
    frame = says.error(
        "boom",
        code=507,
        stacktrace="line 1",
        related_command_index=0,
        related_command_name="lookup",
        related_command_type=0x0411,
        next_retry_delay=0,
        behavior=pb.PAUSE,
    )
    assert session.receive(frame) == [
        AttemptFailed(507, "boom", "line 1", 0, "lookup", 0x0411, 0, pb.PAUSE),
    ]
    assert session.ended


def test_an_error_leaves_open_what_it_does_not_say() -> None:
    assert opened().receive(says.error("boom")) == [
        AttemptFailed(500, "boom", "", None, None, None, None, pb.RETRY),
    ]


def test_a_stream_that_closes_without_an_end_is_a_failed_attempt() -> None:
    session = opened()
    session.receive(says.run(1))
    failed = session.receive_end()
    assert failed is not None
    assert failed.code == 500
    assert "without saying how the attempt ended" in failed.message
    assert session.ended


def test_an_output_that_an_earlier_attempt_sent_is_output_enough() -> None:
    output = (MessageType.OUTPUT, pb.OutputCommand(value=pb.Value(content=b"done")).SerializeToString())
    assert opened(7, output).receive(says.end()) == [Ended()]
    with pytest.raises(ProtocolViolation, match="Command: Run after the output"):
        opened(7, output).receive(says.run(1))


def test_what_ran_beside_the_output_may_still_be_proposed() -> None:
    events = opened().receive(says.run(1) + says.output(b"x") + says.propose(1, b"late") + says.end())
    assert [type(event) for event in events] == [CommandSent, CommandSent, RunProposed, Ended]


def test_a_custom_command_is_a_command() -> None:
    custom = encode_frame(0xFC03, pb.CommandHead(name="mine").SerializeToString())
    [event] = opened().receive(custom)
    assert isinstance(event, CommandSent)
    assert (event.type, event.message.name) == (0xFC03, "mine")


SCRIPT = [
    says.run(1, "a"),
    says.propose(1, b"x" * 50, ack=True),
    says.call(2, 3, "S/h", b"p"),
    says.awaiting(),
    says.propose(1, Failure(500, "é")),
    says.suspend(3, signals=(1,)),
]


@given(st.sampled_from(VERSIONS), st.data())
def test_bytes_split_anywhere_are_the_same_events(version: int, data: st.DataObject) -> None:
    stream = b"".join(SCRIPT)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    session = opened(version)
    events: list[Event] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += session.receive(stream[start:stop])
    assert events == opened(version).receive(stream)
    assert len(events) == len(SCRIPT)


# ---- what is not allowed

NOTIFICATION = pb.Notification(completion_id=1, void=pb.Void()).SerializeToString()

VIOLATIONS = {
    "a command after the output": (says.output(b"x") + says.run(1), "Command: Run after the output"),
    "a second output": (says.output(b"x") + says.output(b"y"), "Command: Output after the output"),
    "an input": (says.frame(MessageType.INPUT, pb.InputCommand()), "must not send an Input"),
    "a start": (says.frame(MessageType.START, pb.Start()), "must not send Start"),
    "a notification": (
        encode_frame(MessageType.SLEEP_COMPLETION, NOTIFICATION),
        "must not send Notification",
    ),
    "a signal as a notification": (
        encode_frame(MessageType.SIGNAL, NOTIFICATION),
        "must not send Notification",
    ),
    "an ack": (says.frame(MessageType.COMMAND_ACK, pb.CommandAck()), "must not send CommandAck"),
    "an end without an output": (says.run(1) + says.end(), "End without an output"),
    "an output without a result": (says.frame(MessageType.OUTPUT, pb.OutputCommand()), "has no result"),
    "a proposal without a result": (
        says.frame(MessageType.PROPOSE_RUN_COMPLETION, pb.ProposeRunCompletion(result_completion_id=1)),
        "completion 1 of a run has no result",
    ),
    "a flat suspension on nothing": (says.suspend_flat(), "awaits nothing"),
    "a suspension on an empty tree": (says.suspend(on=says.future()), "awaits nothing"),
    "a suspension on a tree without leaves": (
        says.suspend(on=says.future(nested=(says.future(of=pb.ALL_COMPLETED),))),
        "awaits nothing",
    ),
    "anything after the end": (says.output(b"x") + says.end() + says.run(1), "Run after the end"),
    "anything after a suspension": (says.suspend(1) + says.awaiting(), "AwaitingOn after the end"),
    "anything after an error": (says.error() + says.end(), "End after the end"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("stream", "what"), [pytest.param(*case, id=name) for name, case in VIOLATIONS.items()]
)
def test_a_violation_says_what_was_wrong(version: int, stream: bytes, what: str) -> None:
    with pytest.raises(ProtocolViolation, match=what):
        opened(version).receive(stream)


def test_broken_bytes_are_the_other_protocol_errors() -> None:
    with pytest.raises(UnknownMessage):
        opened().receive(encode_frame(0x0500, b""))
    with pytest.raises(MalformedMessage):
        opened().receive(encode_frame(MessageType.RUN, b"\x0a\xff"))
    with pytest.raises(FrameTooLarge):
        AttemptSession(7, payload_bytes_max=10).receive(says.run(1, "a long name of a run"))
    session = opened()
    session.receive(says.run(1)[:-1])
    with pytest.raises(FrameTruncated):
        session.receive_end()
