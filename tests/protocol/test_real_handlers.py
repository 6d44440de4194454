"""The real restate-sdk talks with AttemptSession, in every version that both speak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import restate

from perdure.engine.core.await_point import is_unblocked
from perdure.engine.transport.asgi import AsgiTransport
from perdure.protocol import ids
from perdure.protocol.discovery import decode_manifest
from perdure.protocol.messages import MessageType, entry_name, type_name
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.protocol.session import (
    AttemptFailed,
    AttemptSession,
    CommandSent,
    Ended,
    Event,
    RunProposed,
    Suspended,
    Terminator,
)

pytestmark = pytest.mark.anyio

INVOCATION = "inv_19Sc8IICGZ4a5Q3AsTV7SHID6A6ZBdzRsc"
FIRST_AWAKEABLE = 17
CANCEL = pb.Notification(signal_id=1, void=pb.Void())


@pytest.fixture(params=[5, 6, 7])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class Talk:
    """One attempt: the transport's listener, and a runtime that journals what it hears."""

    def __init__(self, version: int, journal: list[tuple[int, bytes]]) -> None:
        self.session = AttemptSession(version)
        self.journal = journal
        self.events: list[Event] = []
        self.closed_with: list[str | None] = []
        self._news = asyncio.Event()
        self.conversation: Any = None

    def received(self, data: bytes) -> None:
        for event in self.session.receive(data):
            self.events.append(event)
            if isinstance(event, CommandSent):
                self.journal.append((event.type, event.payload))
            elif isinstance(event, RunProposed):
                self.journal.append((MessageType.RUN_COMPLETION, event.payload))
                self.conversation.write(self.session.run_stored(event))
        if self.session.ended:
            self.conversation.write_eof()
        self._news.set()

    def closed(self, error: str | None) -> None:
        self.closed_with.append(error)
        self._news.set()

    def notify(self, kind: MessageType, notification: pb.Notification) -> None:
        self.journal.append((kind, notification.SerializeToString()))
        self.conversation.write(self.session.notification(*self.journal[-1]))

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def commands(self, *kinds: MessageType) -> list[Any]:
        """Wait for commands of these types, in this order; their messages."""

        def heard() -> list[CommandSent]:
            return [event for event in self.events if isinstance(event, CommandSent)]

        await self.until(lambda: len(heard()) >= len(kinds))
        assert [event.type for event in heard()] == list(kinds)
        return [event.message for event in heard()]

    async def end(self) -> Terminator:
        """How the attempt ended; the stream is closed, and in order."""
        await self.until(lambda: self.closed_with)
        assert self.closed_with == [None]
        assert self.session.receive_end() is None
        last = self.events[-1]
        assert isinstance(last, Suspended | AttemptFailed | Ended)
        return last

    async def suspend(self) -> pb.Future:
        self.conversation.write_eof()
        last = await self.end()
        assert isinstance(last, Suspended)
        return pb.Future.FromString(last.awaiting_on)


class Invocation:
    """Attempts of one invocation of `handler`, which is deployed as S/run."""

    def __init__(self, version: int, handler: Callable[..., Any], parameter: bytes = b'"in"') -> None:
        service = restate.Service("S")
        service.handler("run")(handler)
        self._transport = AsgiTransport(restate.app([service]))
        self._version = version
        command = pb.InputCommand(
            value=pb.Value(content=parameter), headers=[pb.Header(key="x-colour", value="blue")]
        )
        self.journal: list[tuple[int, bytes]] = [(MessageType.INPUT, command.SerializeToString())]

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Talk]:
        talk = Talk(self._version, self.journal)
        start = pb.Start(id=ids.decode_invocation_id(INVOCATION), debug_id=INVOCATION, random_seed=7)
        talk.conversation = self._transport.open("S", "run", self._version, {}, talk)
        talk.conversation.write(talk.session.start(start, self.journal))
        try:
            yield talk
        finally:
            talk.conversation.abort()
            await asyncio.sleep(0)

    def journal_names(self) -> list[str]:
        return [type_name(kind) for kind, _ in self.journal]


def value(completion_id: int, content: bytes) -> pb.Notification:
    return pb.Notification(completion_id=completion_id, value=pb.Value(content=content))


async def test_the_sdk_answers_discovery_with_a_manifest_that_we_read() -> None:
    service = restate.Service("S")

    @service.handler()
    async def run(ctx: restate.Context, name: str) -> str:
        return name

    manifest = decode_manifest((await AsgiTransport(restate.app([service])).discover()).manifest_json)
    assert manifest.protocol_version == 7
    assert manifest.services["S"].handlers["run"].input_content_type == "application/json"


async def test_steps_are_proposed_answered_and_not_run_again(version: int) -> None:
    made: list[str] = []

    async def handler(ctx: restate.Context, name: str) -> str:
        async def step(n: str) -> str:
            made.append(n)
            return n

        first = await ctx.run_typed("first", step, n="1")
        second = await ctx.run_typed("second", step, n="2")
        return first + second + name

    invocation = Invocation(version, handler)
    async with invocation.attempt() as talk:
        assert await talk.end() == Ended()
    proposed = [event for event in talk.events if isinstance(event, RunProposed)]
    # Version 7 lets the SDK keep its own result and ask for an ack; before, the result travels twice.
    assert [event.ack_requested for event in proposed] == [version == 7] * 2
    assert invocation.journal_names() == [
        "Command: Input",
        *["Command: Run", "Notification: Run"] * 2,
        "Command: Output",
    ]
    message = pb.RunCommand.FromString(invocation.journal[1][1])
    assert entry_name(MessageType.RUN, message) == "first"
    assert pb.OutputCommand.FromString(invocation.journal[-1][1]).value.content == b'"12in"'

    async with invocation.attempt() as again:  # it died between its output and its end
        assert await again.end() == Ended()
    assert again.events == [Ended()]
    assert made == ["1", "2"]


async def test_a_sleep_suspends_when_we_close_our_side_and_goes_on_from_the_journal(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        await ctx.sleep(timedelta(hours=1))
        return "awake"

    invocation = Invocation(version, handler)
    async with invocation.attempt() as talk:
        [sleep] = await talk.commands(MessageType.SLEEP)
        awaiting_on = await talk.suspend()
    done = ("completion_id", sleep.result_completion_id)
    assert not is_unblocked(awaiting_on, {})
    assert not is_unblocked(awaiting_on, {("completion_id", done[1] + 100): True})
    assert is_unblocked(awaiting_on, {done: True})
    assert is_unblocked(awaiting_on, {("signal_id", 1): True}), "a suspended handler must hear a cancellation"

    completion = pb.Notification(completion_id=sleep.result_completion_id, void=pb.Void())
    invocation.journal.append((MessageType.SLEEP_COMPLETION, completion.SerializeToString()))
    async with invocation.attempt() as talk:
        assert await talk.end() == Ended()
    assert invocation.journal_names() == [
        "Command: Input",
        "Command: Sleep",
        "Notification: Sleep",
        "Command: Output",
    ]


async def test_the_same_sleep_completed_while_the_attempt_lives(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        await ctx.sleep(timedelta(hours=1))
        return "awake"

    async with Invocation(version, handler).attempt() as talk:
        [sleep] = await talk.commands(MessageType.SLEEP)
        completion = pb.Notification(completion_id=sleep.result_completion_id, void=pb.Void())
        talk.notify(MessageType.SLEEP_COMPLETION, completion)
        assert await talk.end() == Ended()


async def test_the_sdks_awakeable_ids_are_ours(version: int) -> None:
    made: list[str] = []

    async def handler(ctx: restate.Context, name: str) -> str:
        names = [ctx.awakeable(type_hint=str), ctx.awakeable(type_hint=str)]
        made.extend(name for name, _ in names)
        return await names[1][1]

    invocation = Invocation(version, handler)
    async with invocation.attempt() as talk:
        awaiting_on = await talk.suspend()
    assert made == [ids.encode_awakeable_id(INVOCATION, FIRST_AWAKEABLE + n) for n in (0, 1)]
    assert ids.decode_awakeable_id(made[1]) == (INVOCATION, FIRST_AWAKEABLE + 1)
    assert not is_unblocked(awaiting_on, {("signal_id", FIRST_AWAKEABLE): True})
    assert is_unblocked(awaiting_on, {("signal_id", FIRST_AWAKEABLE + 1): True})

    signal = pb.Notification(signal_id=FIRST_AWAKEABLE + 1, value=pb.Value(content=b'"yes"'))
    invocation.journal.append((MessageType.SIGNAL, signal.SerializeToString()))
    async with invocation.attempt() as talk:
        assert await talk.end() == Ended()
    assert pb.OutputCommand.FromString(invocation.journal[-1][1]).value.content == b'"yes"'


async def test_gathered_futures_await_all_or_in_flat_versions_any(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        await restate.gather(ctx.sleep(timedelta(hours=1)), ctx.sleep(timedelta(hours=2)))
        return "both"

    async with Invocation(version, handler).attempt() as talk:
        one, two = await talk.commands(MessageType.SLEEP, MessageType.SLEEP)
        awaiting_on = await talk.suspend()
    first = {("completion_id", one.result_completion_id): True}
    both = {**first, ("completion_id", two.result_completion_id): True}
    assert is_unblocked(awaiting_on, both)
    # A flat list cannot say 'all': the first wakes, and the handler suspends again.
    assert is_unblocked(awaiting_on, first) == (version < 7), awaiting_on


async def test_selected_futures_await_the_first(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        _, approval = ctx.awakeable()
        match await restate.select(approval=approval, timeout=ctx.sleep(timedelta(hours=1))):
            case [which, _]:
                return str(which)
        return "neither"

    invocation = Invocation(version, handler)
    async with invocation.attempt() as talk:
        [sleep] = await talk.commands(MessageType.SLEEP)
        awaiting_on = await talk.suspend()
    assert is_unblocked(awaiting_on, {("signal_id", FIRST_AWAKEABLE): False})
    assert is_unblocked(awaiting_on, {("completion_id", sleep.result_completion_id): True})


async def test_a_cancellation_reaches_user_code_as_a_terminal_error(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        await ctx.sleep(timedelta(hours=1))
        return "awake"

    async with Invocation(version, handler).attempt() as talk:
        await talk.commands(MessageType.SLEEP)
        talk.notify(MessageType.SIGNAL, CANCEL)
        assert await talk.end() == Ended()
    output = pb.OutputCommand.FromString(talk.journal[-1][1])
    assert (output.failure.code, output.failure.message) == (409, "cancelled")


async def test_a_call_gets_its_id_and_then_its_result(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        callee = ctx.generic_call("Other", "do", b'"ask"')
        callee_id = await callee.invocation_id()
        return f"{callee_id} {(await callee).decode()}"

    async with Invocation(version, handler, b'"in"').attempt() as talk:
        [call] = await talk.commands(MessageType.CALL)
        assert (call.service_name, call.handler_name, call.parameter) == ("Other", "do", b'"ask"')
        known = pb.Notification(completion_id=call.invocation_id_notification_idx, invocation_id=INVOCATION)
        talk.notify(MessageType.CALL_INVOCATION_ID_COMPLETION, known)
        talk.notify(MessageType.CALL_COMPLETION, value(call.result_completion_id, b"answer"))
        assert await talk.end() == Ended()
    output = pb.OutputCommand.FromString(talk.journal[-1][1])
    assert output.value.content == f'"{INVOCATION} answer"'.encode()


async def test_an_exception_is_a_failed_attempt_and_a_terminal_error_an_output(version: int) -> None:
    async def breaks(ctx: restate.Context, name: str) -> str:
        raise ValueError("no luck")

    async with Invocation(version, breaks).attempt() as talk:
        failed = await talk.end()
    assert isinstance(failed, AttemptFailed)
    assert failed.code == 500
    assert "no luck" in failed.message
    assert "breaks" in failed.stacktrace

    async def refuses(ctx: restate.Context, name: str) -> str:
        raise restate.TerminalError("no such city", 404)

    invocation = Invocation(version, refuses)
    async with invocation.attempt() as talk:
        assert await talk.end() == Ended()
    output = pb.OutputCommand.FromString(invocation.journal[-1][1])
    assert (output.failure.code, output.failure.message) == (404, "no such city")


async def test_a_step_that_fails_names_itself_and_its_next_try(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        async def step() -> str:
            raise ValueError("no luck")

        return await ctx.run_typed(
            "lookup", step, restate.RunOptions(initial_retry_interval=timedelta(milliseconds=70))
        )

    async with Invocation(version, handler).attempt() as talk:
        failed = await talk.end()
    assert isinstance(failed, AttemptFailed)
    assert (failed.command_name, failed.command_type) == ("lookup", MessageType.RUN)
    assert failed.next_retry_delay_ms == 70


async def test_code_that_does_not_match_its_journal_fails_the_attempt(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        await ctx.sleep(timedelta(hours=1))
        return "awake"

    invocation = Invocation(version, handler)
    run = pb.RunCommand(result_completion_id=1, name="from older code")
    invocation.journal.append((MessageType.RUN, run.SerializeToString()))
    async with invocation.attempt() as talk:
        failed = await talk.end()
    assert isinstance(failed, AttemptFailed)
    assert failed.code == 570  # journal mismatch


async def test_request_headers_reach_user_code(version: int) -> None:
    async def handler(ctx: restate.Context, name: str) -> str:
        return ctx.request().headers["x-colour"]

    invocation = Invocation(version, handler)
    async with invocation.attempt() as talk:
        assert await talk.end() == Ended()
    assert pb.OutputCommand.FromString(invocation.journal[-1][1]).value.content == b'"blue"'
