"""What a step journals, gives back, tries again and raises."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from journal_server import serve, value_of
from pydantic import BaseModel, Field, SecretStr

from perdure.durable import ONCE, RetryPolicy, step
from perdure.durable.failures import is_transient, retry_after_ms
from perdure.errors import NotDurable, NotSerialisable, StepFailed
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio


class Weather(BaseModel):
    city: str
    at: datetime


@dataclass
class Place:
    name: str
    height: Decimal


class Color(Enum):
    RED = "red"


class Overloaded(Exception):
    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.status_code = 503
        self.retry_after = retry_after


class Refused(Exception):
    """It holds a model."""

    def __init__(self, weather: Weather) -> None:
        super().__init__("refused")
        self.weather = weather


class Picky(Exception):
    """Cannot be rebuilt: it holds something that is not JSON."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = object()


RESULTS: list[Any] = [
    None,
    {"a": [1, 2.5, "x", True, None]},
    Weather(city="Detroit", at=datetime(2026, 1, 2, tzinfo=UTC)),
    [Place("a/b~c", Decimal("1.50")), {"nested": Weather(city="x", at=datetime(2026, 1, 2))}],
    (1, ("two", Place("p", Decimal(3)))),
    Color.RED,
    timedelta(days=3),
    b"bytes",
    {"set": {(1, "a"), (2, "b")}, "frozen": frozenset({Color.RED})},
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: type(r).__name__)
async def test_a_result_comes_back_as_what_it_was_live_and_on_replay(result: Any) -> None:
    seen: list[Any] = []

    async def make() -> Any:
        return result

    async def main() -> None:
        seen.append(await step("make", make))

    await serve(main).run()
    await serve(main, suspend_always=True).run()
    assert seen == [result, result]
    assert [type(value) for value in seen] == [type(result)] * 2


async def test_the_journal_shows_plain_json() -> None:
    async def main() -> None:
        await step("weather", lambda: {"city": "Detroit"})

    server = serve(main)
    await server.run()
    (completion,) = server.entries(MessageType.RUN_COMPLETION)
    assert json.loads(completion.value.content) == {"ok": {"city": "Detroit"}}


async def test_a_strangers_json_cannot_name_a_class_to_import() -> None:
    hostile = {"types": {"": "os:system"}, "ok": "true", "type": "os:system", "error": {"type": "os:system"}}

    async def main() -> Any:
        return await step("fetch", lambda: hostile)

    assert value_of(await serve(main).run()) == hostile


@dataclass
class Summit(Place):
    first_climbed: int


@dataclass
class Trip:
    to: Place


class Account(BaseModel):
    owner: Any
    key: SecretStr = SecretStr("")
    pin: int = Field(default=0, exclude=True)


LOSSY: list[Any] = [
    Trip(to=Summit("Eiger", Decimal(3967), 1858)),
    Account(owner="Ada", key=SecretStr("sk-1")),
    Account(owner="Ada", pin=1234),
    Account(owner=Decimal(1)),
]


@pytest.mark.parametrize("result", LOSSY, ids=["subclass", "secret", "excluded", "untyped"])
async def test_a_model_whose_json_would_bring_back_less_is_refused(result: Any) -> None:
    async def main() -> str:
        with pytest.raises(NotSerialisable, match="does not bring back all that it holds"):
            await step("make", lambda: result)
        return "refused"

    assert value_of(await serve(main).run()) == "refused"


@pytest.mark.parametrize("result", [object(), {1: "key"}, float("nan"), {"deep": [object()]}, {1, object()}])
async def test_a_result_that_the_journal_cannot_give_back_is_an_error_that_says_where(result: Any) -> None:
    async def main() -> str:
        with pytest.raises(NotSerialisable) as caught:
            await step("odd", lambda: result)
        return str(caught.value)

    message = value_of(await serve(main).run())
    assert "step 'odd'" in message
    assert type(result).__qualname__ in message
    assert "Pydantic" in message


async def test_a_class_in_a_function_is_refused_because_no_replay_can_import_it() -> None:
    class Local(BaseModel):
        x: int

    async def main() -> str:
        with pytest.raises(NotSerialisable, match="module level"):
            await step("local", lambda: Local(x=1))
        return "refused"

    assert value_of(await serve(main).run()) == "refused"


async def test_a_serde_of_the_user_is_used() -> None:
    from restate.serde import BytesSerde

    async def main() -> str:
        return (await step("raw", lambda: b"\x00\xff", serde=BytesSerde())).hex()

    assert value_of(await serve(main, suspend_always=True).run()) == "00ff"


async def test_an_error_comes_back_with_its_type_and_attributes() -> None:
    async def fail() -> None:
        raise Overloaded("later", retry_after=0.5)

    async def main() -> list[Any]:
        try:
            await step("fail", fail, retry=ONCE)
        except Overloaded as error:
            return [str(error), error.retry_after, error.status_code]
        return []

    assert value_of(await serve(main, suspend_always=True).run()) == ["later", 0.5, 503]


async def test_builtin_errors_come_back() -> None:
    async def main() -> list[str]:
        seen = []
        for error in (KeyError("k"), FileNotFoundError(2, "gone", "f.txt"), ValueError("v", 1)):

            def fail(error: Exception = error) -> None:
                raise error

            try:
                await step("fail", fail)
            except Exception as caught:
                seen.append(repr(caught))
        return seen

    assert value_of(await serve(main).run()) == [
        "KeyError('k')",
        "FileNotFoundError(2, 'gone')",
        "ValueError('v', 1)",
    ]


async def test_an_error_that_holds_a_model_is_rebuilt_with_it() -> None:
    async def fail() -> None:
        raise Refused(Weather(city="Detroit", at=datetime(2026, 1, 2, tzinfo=UTC)))

    async def main() -> str:
        try:
            await step("refused", fail)
        except Refused as error:
            return error.weather.city
        return "no error"

    assert value_of(await serve(main, suspend_always=True).run()) == "Detroit"


async def test_an_error_that_cannot_be_rebuilt_is_step_failed() -> None:
    async def fail() -> None:
        raise Picky("no")

    async def main() -> list[str]:
        try:
            await step("fail", fail)
        except StepFailed as error:
            return [error.step, error.type_name.rpartition(":")[2], error.message]
        return []

    assert value_of(await serve(main).run()) == ["fail", "Picky", "no"]


async def test_an_error_that_cannot_say_what_it_is_ends_the_run_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    async def fail() -> None:
        raise Mute

    async def main() -> None:
        await step("fail", fail)

    output = await serve(main).run()
    assert "step 'fail' failed with" in output.failure.message
    assert "Mute" in output.failure.message


async def test_a_step_that_is_cancelled_from_within_cancels_who_awaits_it() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError("gave up")

    async def main() -> list[str]:
        try:
            await step("gives up", gives_up)
        except asyncio.CancelledError as error:
            return [repr(error)]
        return []

    assert value_of(await serve(main, suspend_always=True).run()) == ["CancelledError('gave up')"]


async def test_a_transient_failure_is_tried_again_after_a_durable_pause() -> None:
    tries = 0

    async def flaky() -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionError("reset")
        return "through"

    async def main() -> str:
        return await step("flaky", flaky)

    server = serve(main, suspend_always=True)
    assert value_of(await server.run()) == "through"
    assert server.commands() == ["Input", "Run flaky", "Sleep", "Run flaky", "Sleep", "Run flaky", "Output"]
    assert tries == 3


async def test_other_failures_are_not_tried_again() -> None:
    tries = 0

    async def wrong() -> None:
        nonlocal tries
        tries += 1
        raise ValueError("wrong")

    async def main() -> None:
        await step("wrong", wrong)

    server = serve(main)
    output = await server.run()
    assert tries == 1
    assert output.failure.message == "ValueError: wrong", (
        "final: no retry of the invocation changes the journal"
    )


async def test_a_failing_step_does_not_disturb_its_siblings() -> None:
    ran: list[str] = []

    async def sibling() -> str:
        ran.append("sibling")
        await asyncio.sleep(0.02)
        return "paid for once"

    async def fail() -> None:
        ran.append("fail")
        raise ConnectionError("down")

    async def main() -> list[str]:
        results = await asyncio.gather(
            step("sibling", sibling),
            step("fail", fail, retry=RetryPolicy(attempts_max=2)),
            return_exceptions=True,
        )
        return [str(result) for result in results]

    server = serve(main)
    assert value_of(await server.run()) == ["paid for once", "down"]
    assert sorted(ran) == ["fail", "fail", "sibling"]


async def test_retry_after_is_obeyed_and_the_backoff_grows() -> None:
    async def fail() -> None:
        raise Overloaded("later", retry_after=120)

    async def main() -> None:
        await step("fail", fail, retry=RetryPolicy(attempts_max=2))

    server = serve(main)
    await server.run()
    (completion, _) = server.entries(MessageType.RUN_COMPLETION)
    assert json.loads(completion.value.content)["error"]["retry_in_ms"] == 120_000
    policy = RetryPolicy(attempts_max=9, initial_delay_ms=100, factor=3, delay_ms_max=500)
    delays = [policy.delay_ms(ConnectionError(), attempt) for attempt in range(1, 10)]
    assert all(
        delay is not None and limit * 0.8 <= delay <= limit
        for delay, limit in zip(delays, [100, 300, *[500] * 6], strict=False)
    )
    assert delays[-1] is None


def test_what_counts_as_transient() -> None:
    import httpx2
    import openai

    request = httpx2.Request("GET", "http://localhost")
    response = httpx2.Response(429, headers={"retry-after-ms": "1500"}, request=request)
    rate_limit = openai.RateLimitError("slow down", response=response, body=None)
    assert is_transient(rate_limit)
    assert retry_after_ms(rate_limit) == 1500
    assert is_transient(httpx2.ConnectError("refused"))
    assert is_transient(openai.APITimeoutError(request))
    assert is_transient(TimeoutError())
    assert not is_transient(
        openai.AuthenticationError("no", response=httpx2.Response(401, request=request), body=None)
    )
    assert not is_transient(FileNotFoundError())
    assert not is_transient(ValueError())
    dated = httpx2.Response(503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, request=request)
    assert retry_after_ms(httpx2.HTTPStatusError("", request=request, response=dated)) == 0


async def test_a_step_in_a_step_fails_the_run_even_if_it_is_swallowed() -> None:
    async def inner() -> str:
        return "inner"

    async def outer() -> str:
        try:
            return await step("inner", inner)
        except Exception:
            return "swallowed"

    async def main() -> str:
        return await step("outer", outer)

    message = (await serve(main).run()).failure.message
    assert "step 'inner' is inside the step 'outer'" in message


async def test_a_step_outside_of_a_durable_run_says_where_to_put_it() -> None:
    with pytest.raises(NotDurable, match="outside of a durable run"):
        await step("lost", lambda: 1)


async def test_ctx_run_retries_and_ends_in_a_terminal_error() -> None:
    from restate import RunOptions

    async def main(ctx: Any) -> str:
        import restate

        def fail() -> None:
            raise ValueError("always")

        try:
            await ctx.run_typed("fail", fail, RunOptions(max_attempts=3))
        except restate.TerminalError as error:
            return error.message
        return "?"

    server = serve(main)
    assert value_of(await server.run()) == "always"
    assert server.commands().count("Run fail") == 3
