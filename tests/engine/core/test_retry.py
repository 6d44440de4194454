"""A failed attempt is tried again, later and later, until the policy or the handler says otherwise."""

from __future__ import annotations

import handler_frames as says
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_script import NOW_MS, Script

from perdure.engine.core.actions import Complete, SetTimer, StartAttempt
from perdure.engine.core.inputs import Resume, Signal
from perdure.engine.core.model import Failure, Problem, Status, Timer, TimerKind
from perdure.engine.core.retry_policy import RetryPolicy
from perdure.protocol.discovery import HandlerOptions
from perdure.protocol.proto import service_protocol_pb2 as pb

POLICY = {
    "retryPolicyInitialInterval": 100,
    "retryPolicyExponentiationFactor": 3.0,
    "retryPolicyMaxInterval": 1000,
}


def fails(s: Script, a: str, *before: bytes) -> int | None:
    """An attempt fails; how long until the next."""
    s.says(a, *before, says.error("boom", code=507))
    next_at_ms = s[a].next_retry_at_ms
    return None if next_at_ms is None else next_at_ms - s.now_ms


def test_a_failed_attempt_says_why_and_backs_off() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    s.says(
        a,
        says.error("boom", code=507, stacktrace="at line 1", related_command_index=3,
                   related_command_name="lookup", related_command_type=0x0411),
    )  # fmt: skip
    timer = Timer(NOW_MS + 100, TimerKind.RETRY, a)
    assert s.actions == [SetTimer(timer)]
    assert s.status(a) is Status.BACKING_OFF
    assert s[a].problem == Problem(507, "boom", "at line 1", 3, "lookup", 0x0411)
    assert s.passes(99) == []
    assert s.passes(1) == [StartAttempt(a, 2)]
    assert s[a].next_retry_at_ms is None


def test_the_pause_grows_to_its_bound() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    pauses = []
    for _ in range(5):
        pauses.append(pause := fails(s, a))
        s.passes(pause or 0)
    assert pauses == [100, 300, 900, 1000, 1000]
    assert s[a].retry_count == 5


def test_progress_starts_the_count_anew() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    for expected in (100, 300):
        assert fails(s, a) == expected
        s.passes(expected)
    assert fails(s, a, says.run(1)) == 100
    assert s[a].retry_count == 1


def test_a_notification_that_comes_while_it_backs_off_is_progress_too() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    fails(s, a)
    s.passes(100)
    fails(s, a)
    s.apply(Signal(a, 17, None))
    assert s.actions == [], "it waits out its pause"
    s.passes(300)
    assert fails(s, a) == 100


def test_the_handler_may_name_the_pause() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    s.says(a, says.error(next_retry_delay=5))
    assert s[a].next_retry_at_ms == NOW_MS + 5
    s.passes(5)
    s.says(a, says.error(next_retry_delay=0))
    assert s.passes(0) == [StartAttempt(a, 3)]
    s.says(a, says.error(next_retry_delay=2**64 - 1))
    assert s[a].next_retry_at_ms == 253_402_300_799_999


def test_exhausted_attempts_pause() -> None:
    s = Script(retryPolicyMaxAttempts=2, **POLICY)
    a = s.invoke()
    s.passes(fails(s, a) or 0)
    assert fails(s, a) is None
    assert s.status(a) is Status.PAUSED
    assert s.actions == []
    assert s.passes(10_000_000) == []


def test_or_kill_with_the_last_problem_as_the_result() -> None:
    s = Script(retryPolicyMaxAttempts=2, retryPolicyOnMaxAttempts="KILL", **POLICY)
    caller = s.invoke()
    s.says(caller, says.call(1, 2, "Svc/other"))
    [a] = [w.invocation_id for w in s.store.awaited_by(caller)]
    s.passes(fails(s, a) or 0)
    fails(s, a)
    assert s.status(a) is Status.COMPLETED
    assert s.result(a) == Failure(507, "boom")
    assert s.heard(caller) == ["Call 2 ! 507 boom"]


def test_a_refused_command_counts_as_a_failed_attempt() -> None:
    s = Script(retryPolicyMaxAttempts=2, retryPolicyInitialInterval=10)
    a = s.invoke()
    s.says(a, says.call(1, 2, "Nobody/home"))
    s.passes(10)
    s.says(a, says.call(1, 2, "Nobody/home"))
    assert s.status(a) is Status.PAUSED


def test_the_handler_may_pause_at_once() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    s.says(a, says.error("look at me", behavior=pb.PAUSE))
    assert s.status(a) is Status.PAUSED
    assert s.timers(a) == []


def test_the_handler_may_fail_for_good_at_once() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    s.says(a, says.error("never again", code=422, behavior=pb.FAIL))
    assert Complete(a, Failure(422, "never again")) in s.actions


def test_a_timer_of_a_pause_that_was_cut_short_is_stale() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    fails(s, a)
    [stale] = s.timers(a)
    s.now_ms += 50
    assert s.apply(Resume(a)) == [StartAttempt(a, 2)]
    fails(s, a)
    assert s.fires(stale) == []
    assert s.status(a) is Status.BACKING_OFF
    s.passes(s[a].next_retry_at_ms - s.now_ms)  # type: ignore[operator]
    assert s[a].attempt == 3


# ---- the policy by itself


def test_defaults_are_restate_servers() -> None:
    policy = RetryPolicy.of(HandlerOptions())
    assert [policy.delay_ms(n) for n in (1, 2, 3, 8, 9)] == [500, 1000, 2000, 60_000, 60_000]
    assert not policy.exhausted(69)
    assert policy.exhausted(70)
    assert not policy.kill_on_max_attempts


def test_options_override_one_by_one() -> None:
    policy = RetryPolicy.of(HandlerOptions(retry_max_interval_ms=700, retry_on_max_attempts="KILL"))
    assert [policy.delay_ms(n) for n in (1, 2)] == [500, 700]
    assert policy.kill_on_max_attempts


def test_no_pause_is_a_policy_too() -> None:
    assert RetryPolicy.of(HandlerOptions(retry_initial_interval_ms=0)).delay_ms(3) == 0


@given(
    initial=st.integers(0, 10**12),
    factor=st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False),
    largest=st.integers(0, 10**12),
    failed=st.integers(1, 10_000),
)
@pytest.mark.filterwarnings("error")
def test_any_policy_gives_a_pause_within_its_bound(
    initial: int, factor: float, largest: int, failed: int
) -> None:
    policy = RetryPolicy(initial, factor, largest)
    assert 0 <= policy.delay_ms(failed) <= (initial if failed == 1 else largest)


def test_each_new_failure_is_kept_and_a_repeated_one_once() -> None:
    s = Script(**POLICY)
    a = s.invoke()
    for message in ("boom", "boom", "bang"):
        s.says(a, says.error(message, code=507))
        s.passes(1000)
    assert [failure.problem.message for failure in s.store.failures(a)] == ["boom", "bang"]


def test_an_initial_interval_above_the_largest_one_is_kept_the_first_time() -> None:
    policy = RetryPolicy.of(HandlerOptions(retry_initial_interval_ms=3_600_000))
    assert [policy.delay_ms(n) for n in (1, 2, 3)] == [3_600_000, 60_000, 60_000]
