"""Whatever happens, in whatever order, with crashes in between: what must always be so, is so.

Hypothesis plays the handlers, the clients, the clock and the crashes. Handlers are sane (each does what the
SDK's state machine would let it do with its journal) and everything else is as unkind as it can be.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import handler_frames as says
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule
from rules_script import SERVICE, Script, awakeable, invocation_id

from perdure.engine.core import machine
from perdure.engine.core.actions import Action, Complete, StartAttempt
from perdure.engine.core.await_point import is_unblocked, outcomes
from perdure.engine.core.inputs import Cancel, Input, Kill, Pause, Recover, Restart, Resume, Signal
from perdure.engine.core.model import Failure, Invocation, Result, Status, Success, TimerKind
from perdure.protocol import ids
from perdure.protocol.messages import MessageType, decode_message, is_command, is_notification
from perdure.protocol.proto import service_protocol_pb2 as pb

UNFINISHED = (Status.RUNNING, Status.BACKING_OFF)
COMBINATORS = st.sampled_from(pb.Combinator.values())
RESULTS = st.sampled_from([b"value", b"", Failure(500, "no")])


@dataclass
class Attempt:
    """A handler's side of one attempt: what the runtime has told it, and what it has said."""

    id: str
    number: int
    known: set[int]
    """Completions whose result it has."""
    commanded: int
    """Completion ids used so far; the replay uses the same ones again."""
    runs: set[int]
    """Runs without a result."""
    output: bool


class EngineUnderFire(RuleBasedStateMachine):
    """`self.attempts` are the conversations that a runtime would hold open."""

    invocations = Bundle("invocations")

    def __init__(self) -> None:
        super().__init__()
        self.script = Script(
            retryPolicyInitialInterval=10, retryPolicyMaxAttempts=3, journalRetention=10_000_000_000
        )
        self.attempts: dict[str, Attempt] = {}
        self.accepted: set[str] = set()
        self.results: dict[str, Result] = {}
        self.completed_journals: dict[str, int] = {}

    # ---- a runtime in small

    def apply(self, event: Input) -> None:
        self.perform(self.script.apply(event))

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, StartAttempt):
                newest = self.script[action.id]
                assert action.attempt == newest.attempt, "an attempt that is not the newest was started"
                self.attempts[action.id] = self.open(newest)
            elif isinstance(action, Complete):
                assert action.id not in self.results, "completed twice"
                self.results[action.id] = action.result
                self.completed_journals[action.id] = self.script.store.journal_length(action.id)
                self.attempts.pop(action.id, None)
        for invocation in [i for i in self.attempts if self.script.status(i) is not Status.RUNNING]:
            del self.attempts[invocation]

    def open(self, invocation: Invocation) -> Attempt:
        journal = self.script.store.journal(invocation.id)
        commands = [(e.type, decode_message(e.type, e.payload)) for e in journal if is_command(e.type)]
        used = [getattr(c, "result_completion_id", 0) for _, c in commands]
        used += [getattr(c, "invocation_id_notification_idx", 0) for _, c in commands]
        known = set(self.completions(invocation.id))
        runs = {c.result_completion_id for kind, c in commands if kind == MessageType.RUN}
        return Attempt(
            invocation.id,
            invocation.attempt,
            known,
            max(used, default=0),
            runs - known,
            output=any(kind == MessageType.OUTPUT for kind, _ in commands),
        )

    def completions(self, invocation: str) -> list[int]:
        notifications = [
            pb.Notification.FromString(e.payload)
            for e in self.script.store.journal(invocation)
            if is_notification(e.type)
        ]
        return [n.completion_id for n in notifications if n.WhichOneof("id") == "completion_id"]

    def say(self, invocation: str, *frames: bytes) -> None:
        self.perform(self.script.says(invocation, *frames))

    def speaking(self, invocation: str) -> Attempt | None:
        """The invocation's attempt, if it runs and has not sent its output yet."""
        attempt = self.attempts.get(invocation)
        return None if attempt is None or attempt.output else attempt

    # ---- clients

    def few(self) -> bool:
        """Few invocations, so that much happens to each."""
        return len(self.accepted) < 4

    @precondition(few)
    @rule(target=invocations, delay_ms=st.sampled_from([None, None, 0, 50]))
    def invoke(self, delay_ms: int | None) -> str:
        at_ms = None if delay_ms is None else self.script.now_ms + delay_ms
        new = self.script.invoke(execute_at_ms=at_ms)
        self.perform(self.script.actions)
        self.accepted.add(new)
        return new

    @precondition(few)
    @rule(target=invocations, key=st.sampled_from("ab"))
    def invoke_idempotent(self, key: str) -> str:
        new = ids.idempotent_invocation_id(SERVICE, "run", "", key)
        self.script.invoke(id=new, idempotency_key=key)
        self.perform(self.script.actions)
        self.accepted.add(new)
        return new

    @rule(invocation=invocations, index=st.sampled_from([17, 18]), result=st.none() | RESULTS)
    def signal(self, invocation: str, index: int, result: bytes | Failure | None) -> None:
        self.apply(Signal(invocation, index, Success(result) if isinstance(result, bytes) else result))

    @rule(invocation=invocations, verb=st.sampled_from([Cancel, Kill, Pause, Resume, Cancel, Resume]))
    def verb(self, invocation: str, verb: type[Cancel | Kill | Pause | Resume]) -> None:
        self.apply(verb(invocation, request="asker"))

    @precondition(few)
    @rule(target=invocations, invocation=invocations, through_index=st.integers(0, 5))
    def restart(self, invocation: str, through_index: int) -> object:
        """As a new one, from a prefix of its journal, if it has completed and the prefix is whole."""
        new = invocation_id(1_000 + len(self.accepted))
        self.apply(Restart(invocation, new, through_index))
        if self.script.store.invocation(new) is None:
            assert self.script.journal(new) == [], "of a refused one nothing is left"
            return multiple()
        self.accepted.add(new)
        return new

    # ---- handlers

    @rule(invocation=invocations)
    def runs(self, invocation: str) -> None:
        if attempt := self.speaking(invocation):
            attempt.commanded += 1
            attempt.runs.add(attempt.commanded)
            self.say(invocation, says.run(attempt.commanded))

    @rule(invocation=invocations, result=RESULTS, data=st.data())
    def proposes(self, invocation: str, result: bytes | Failure, data: st.DataObject) -> None:
        attempt = self.attempts.get(invocation)
        if attempt and attempt.runs:
            run = data.draw(st.sampled_from(sorted(attempt.runs)))
            attempt.runs.remove(run)
            self.say(invocation, says.propose(run, result))

    @rule(invocation=invocations, delay_ms=st.integers(-5, 100))
    def sleeps(self, invocation: str, delay_ms: int) -> None:
        if attempt := self.speaking(invocation):
            attempt.commanded += 1
            self.say(invocation, says.sleep(attempt.commanded, self.script.now_ms + delay_ms))

    @rule(target=invocations, invocation=invocations, key=st.sampled_from(["", "", "a", "c"]))
    def calls(self, invocation: str, key: str) -> object:
        attempt = self.speaking(invocation)
        if attempt is None or len(self.accepted) > 7:
            return multiple()
        id_completion, completion = attempt.commanded + 1, attempt.commanded + 2
        attempt.commanded += 2
        more = {"idempotency_key": key} if key else {}
        self.say(invocation, says.call(id_completion, completion, f"{SERVICE}/run", **more))
        return self.callee_told(invocation, id_completion)

    @rule(target=invocations, invocation=invocations, delay_ms=st.sampled_from([0, 30]))
    def sends(self, invocation: str, delay_ms: int) -> object:
        attempt = self.speaking(invocation)
        if attempt is None or len(self.accepted) > 7:
            return multiple()
        attempt.commanded += 1
        at_ms = self.script.now_ms + delay_ms if delay_ms else 0
        self.say(invocation, says.send(attempt.commanded, f"{SERVICE}/run", invoke_time=at_ms))
        return self.callee_told(invocation, attempt.commanded)

    def callee_told(self, caller: str, id_completion: int) -> str:
        for entry in self.script.store.journal(caller):
            if entry.type == MessageType.CALL_INVOCATION_ID_COMPLETION:
                told = pb.Notification.FromString(entry.payload)
                if told.completion_id == id_completion:
                    self.accepted.add(told.invocation_id)
                    return told.invocation_id
        raise AssertionError("the caller was not told the callee's id")

    @rule(invocation=invocations, other=invocations, output=st.booleans())
    def attaches(self, invocation: str, other: str, output: bool) -> None:
        if attempt := self.speaking(invocation):
            attempt.commanded += 1
            frame = says.get_output if output else says.attach
            self.say(invocation, frame(attempt.commanded, invocation_id=other))

    @rule(invocation=invocations, other=invocations, result=RESULTS)
    def completes_awakeable(self, invocation: str, other: str, result: bytes | Failure) -> None:
        if self.speaking(invocation):
            self.say(invocation, says.complete_awakeable(awakeable(other), result))

    @rule(invocation=invocations, other=invocations)
    def cancels_another(self, invocation: str, other: str) -> None:
        if self.speaking(invocation):
            self.say(invocation, says.signal(other, idx=1, void=pb.Void()))

    @rule(invocation=invocations)
    def calls_nobody(self, invocation: str) -> None:
        if attempt := self.speaking(invocation):
            length = self.script.store.journal_length(invocation)
            self.say(invocation, says.call(attempt.commanded + 1, attempt.commanded + 2, "No/body"))
            assert self.script.store.journal_length(invocation) == length

    @rule(invocation=invocations, of=COMBINATORS, nested_of=COMBINATORS, data=st.data())
    def suspends(
        self, invocation: str, of: pb.Combinator, nested_of: pb.Combinator, data: st.DataObject
    ) -> None:
        """On anything it has asked for and not heard of, and always on its cancellation, as the SDK does."""
        attempt = self.speaking(invocation)
        if attempt is None or attempt.runs:
            return
        open_ids = sorted(set(range(1, attempt.commanded + 1)) - attempt.known)
        leaves = st.lists(st.sampled_from(open_ids), max_size=3) if open_ids else st.just([])
        inner = says.future(*data.draw(leaves), of=nested_of)
        asked = says.future(*data.draw(leaves), signals=(17,), nested=(inner,), of=of)
        self.say(
            invocation, says.suspend(on=says.future(signals=(1,), nested=(asked,), of=pb.FIRST_COMPLETED))
        )

    @rule(invocation=invocations, behavior=st.sampled_from([pb.RETRY, pb.RETRY, pb.RETRY, pb.PAUSE, pb.FAIL]))
    def fails(self, invocation: str, behavior: pb.ErrorBehavior) -> None:
        if invocation in self.attempts:
            self.say(invocation, says.error(behavior=behavior))

    @rule(invocation=invocations, result=RESULTS, at_once=st.booleans())
    def returns(self, invocation: str, result: bytes | Failure, at_once: bool) -> None:
        attempt = self.attempts.get(invocation)
        if attempt is None:
            return
        frames = [] if attempt.output else [says.output(result)]
        attempt.output = True
        self.say(invocation, *frames, *([says.end()] if at_once else []))

    # ---- time and crashes

    @rule(delay_ms=st.sampled_from([0, 10, 40, 1000]))
    def time_passes(self, delay_ms: int) -> None:
        self.perform(self.script.passes(delay_ms))

    @rule()
    def crash(self) -> None:
        """Every conversation and every action that was not performed is lost; the store is what is left."""
        self.attempts.clear()
        everyone = [self.script[i] for i in self.accepted if self.script.store.invocation(i)]
        for invocation in everyone:
            if invocation.status in UNFINISHED:
                self.apply(Recover(invocation.id))
                assert self.script.status(invocation.id) is Status.RUNNING
                assert self.attempts[invocation.id].number == self.script[invocation.id].attempt

    @rule(invocation=invocations)
    def crash_before_the_actions(self, invocation: str) -> None:
        """The disk has the input, and nobody has acted on it."""
        actions: list[Action] = []
        script = self.script
        script.store.transact(
            lambda: actions.extend(machine.apply(Resume(invocation), script.store, script.now_ms))
        )
        self.crash()

    # ---- what is always so

    @invariant()
    def nothing_accepted_is_lost(self) -> None:
        for invocation in self.accepted:
            assert self.script.store.invocation(invocation) is not None
            assert self.script.journal(invocation)[0] == "Input"

    @invariant()
    def every_unfinished_one_has_something_that_makes_it_go_on(self) -> None:
        for invocation in map(self.script.__getitem__, self.accepted):
            kinds = {timer.kind for timer in self.script.timers(invocation.id)}
            match invocation.status:
                case Status.SCHEDULED:
                    assert TimerKind.START in kinds
                case Status.RUNNING:
                    assert self.attempts[invocation.id].number == invocation.attempt
                case Status.BACKING_OFF:
                    retries = [
                        t.at_ms for t in self.script.timers(invocation.id) if t.kind is TimerKind.RETRY
                    ]
                    assert invocation.next_retry_at_ms in retries
                case Status.SUSPENDED:
                    point = pb.Future.FromString(invocation.awaiting_on or b"")
                    assert not is_unblocked(point, outcomes(self.script.store.journal(invocation.id)))
                case Status.COMPLETED:
                    assert kinds == {TimerKind.PURGE}

    @invariant()
    def results_are_for_ever(self) -> None:
        for invocation in map(self.script.__getitem__, self.accepted):
            assert (invocation.status is Status.COMPLETED) == (invocation.id in self.results)
            assert invocation.result == self.results.get(invocation.id)

    @invariant()
    def completed_journals_do_not_grow(self) -> None:
        for invocation, length in self.completed_journals.items():
            assert self.script.store.journal_length(invocation) == length

    @invariant()
    def each_completion_and_each_awakeable_is_notified_once(self) -> None:
        for invocation in self.accepted:
            notified = Counter(
                line.split(" ")[0] + line.split(" ")[1] if line.startswith("Signal") else line.split(" ")[1]
                for line, entry in zip(
                    self.script.journal(invocation), self.script.store.journal(invocation), strict=True
                )
                if is_notification(entry.type)
            )
            assert not [name for name, times in notified.items() if times > 1]

    @invariant()
    def whoever_waits_for_a_result_that_is_there_has_it(self) -> None:
        for invocation in self.accepted:
            for waiter in self.script.store.awaited_by(invocation):
                assert self.script.result(waiter.invocation_id) is None


EngineUnderFire.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_the_rules_under_fire = EngineUnderFire.TestCase
