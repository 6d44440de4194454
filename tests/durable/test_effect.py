"""effect(): an action is claimed before it starts, and is not started twice unasked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import restate
from journal_server import JournalServer, app_of, serve, value_of

from perdure import Happened, NotHappened, RetryPolicy, durable, effect, idempotency_key, step
from perdure.durable.step import Ended, noting_tries
from perdure.errors import EffectUnknown, NotDurable
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio

AT_ONCE = RetryPolicy(attempts_max=3, initial_delay_ms=0, retryable=lambda error: isinstance(error, OSError))


@dataclass
class Receipt:
    number: int


class Bank:
    """Pays, and remembers each start with its idempotency key."""

    def __init__(self, *errors: Exception) -> None:
        self.keys: list[str] = []
        self.started = asyncio.Event()
        self.answer = asyncio.Event()
        self.answer.set()
        self._errors = list(errors)

    async def pay(self) -> Receipt:
        self.keys.append(idempotency_key())
        self.started.set()
        await self.answer.wait()
        if self._errors:
            raise self._errors.pop(0)
        return Receipt(len(self.keys))


def paying(bank: Bank, **options: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    async def main() -> Any:
        try:
            receipt = await effect("pay", bank.pay, **options)
        except EffectUnknown as unknown:
            return ["unknown", unknown.effect, unknown.key]
        assert type(receipt) is Receipt
        return receipt.number

    return main


async def lose_an_attempt_while_it_pays(server: JournalServer, bank: Bank) -> None:
    """The attempt ends after the action has started and before its record, as in a crash."""
    bank.answer.clear()
    attempt = asyncio.ensure_future(server.attempt())
    await asyncio.wait_for(bank.started.wait(), 5)
    attempt.cancel()
    await asyncio.wait([attempt])
    bank.answer.set()


# ---- nothing goes wrong


async def test_it_is_claimed_and_then_done_once_with_a_replay_at_every_await() -> None:
    bank = Bank()
    server = serve(paying(bank), suspend_always=True)
    assert value_of(await server.run()) == 1
    assert server.commands() == ["Input", "Run claim pay", "Run pay", "Output"]
    assert bank.keys == ["inv_1/pay"]


async def test_it_does_not_start_before_the_journal_has_the_claim() -> None:
    bank = Bank()
    looks: list[list[str]] = []

    def withhold_the_claim_for_a_while(names: Sequence[str]) -> int:
        looks.append(list(bank.keys))
        return 0 if len(looks) > 20 else -1

    server = serve(paying(bank), choose=withhold_the_claim_for_a_while)
    assert value_of(await server.run()) == 1
    assert looks[:20] == [[]] * 20


async def test_each_effect_has_a_key_of_its_own_in_every_run_of_the_handler() -> None:
    bank = Bank()
    service = restate.Service("Durable")

    @service.handler()
    async def main(ctx: restate.Context) -> list[str]:
        async def two() -> None:
            await asyncio.gather(effect("pay", bank.pay), effect("pay", bank.pay))

        await durable.run(ctx, two)
        await durable.run(ctx, two)
        await durable.run(ctx, lambda: effect("pay / Zürich", bank.pay))
        return bank.keys

    server = JournalServer(restate.app([service]), "/invoke/Durable/main", request=b"", suspend_always=True)
    assert sorted(value_of(await server.run())) == [
        "inv_1/pay",
        "inv_1/pay%20%2F%20Z%C3%BCrich",
        "inv_1/pay/2",
        "inv_1/pay/3",
        "inv_1/pay/4",
    ]


async def test_all_tries_of_a_step_have_one_key_also_in_a_thread() -> None:
    keys: list[str] = []

    def flaky() -> None:
        keys.append(idempotency_key())
        if len(keys) % 2:
            raise OSError("again")

    async def main() -> None:
        for _ in range(2):
            await step("save", flaky, retry=AT_ONCE)

    await serve(main, suspend_always=True).run()
    assert keys == ["inv_1/save", "inv_1/save", "inv_1/save/2", "inv_1/save/2"]


async def test_there_is_no_key_outside_of_a_step() -> None:
    with pytest.raises(NotDurable, match="in the function that"):
        idempotency_key()


async def test_an_effect_inside_a_step_is_refused() -> None:
    async def main() -> None:
        await step("outer", lambda: effect("pay", Bank().pay))

    output = await serve(main).run()
    assert "step 'pay' is inside the step 'outer'" in output.failure.message


# ---- the action raises: that is an outcome


async def test_an_error_of_the_action_is_its_outcome_and_not_tried_again() -> None:
    bank = Bank(ConnectionError("no route"))

    async def main() -> str:
        try:
            await effect("pay", bank.pay, on_unknown="retry")
        except ConnectionError as error:
            return str(error)
        return "paid"

    assert value_of(await serve(main, suspend_always=True).run()) == "no route"
    assert len(bank.keys) == 1


async def test_a_retry_policy_starts_it_again_with_the_same_key_and_a_new_claim() -> None:
    bank = Bank(ConnectionError("1"), ConnectionError("2"))
    server = serve(paying(bank, retry=AT_ONCE), suspend_always=True)
    assert value_of(await server.run()) == 3
    assert bank.keys == ["inv_1/pay"] * 3
    assert [name for name in server.commands() if "Run" in name] == ["Run claim pay", "Run pay"] * 3


async def test_an_action_that_cannot_tell_says_so_itself() -> None:
    async def times_out() -> None:
        raise EffectUnknown("pay", idempotency_key(), "the bank did not answer")

    async def reconcile(key: str) -> Happened[str]:
        return Happened(f"found {key}")

    async def main() -> Any:
        return await effect("pay", times_out, on_unknown=reconcile)

    assert value_of(await serve(main, suspend_always=True).run()) == "found inv_1/pay"


# ---- the attempt ends in between


async def test_a_lost_outcome_fails_and_says_which_key_to_look_for() -> None:
    bank = Bank()
    server = serve(paying(bank))
    await lose_an_attempt_while_it_pays(server, bank)
    assert value_of(await server.run()) == ["unknown", "pay", "inv_1/pay"]
    assert bank.keys == ["inv_1/pay"]


async def test_a_lost_outcome_that_nobody_handles_ends_the_invocation() -> None:
    bank = Bank()
    server = serve(lambda: effect("pay", bank.pay))
    await lose_an_attempt_while_it_pays(server, bank)
    assert "whether effect 'pay' took place is unknown" in (await server.run()).failure.message


async def test_a_policy_that_retries_everything_does_not_retry_what_is_unknown() -> None:
    bank = Bank()
    server = serve(paying(bank, retry=RetryPolicy(retryable=lambda _error: True, initial_delay_ms=0)))
    await lose_an_attempt_while_it_pays(server, bank)
    assert value_of(await server.run()) == ["unknown", "pay", "inv_1/pay"]
    assert len(bank.keys) == 1


async def test_by_choice_it_is_started_again_with_the_same_key() -> None:
    bank = Bank()
    server = serve(paying(bank, on_unknown="retry"))
    await lose_an_attempt_while_it_pays(server, bank)
    assert value_of(await server.run()) == 2
    assert bank.keys == ["inv_1/pay"] * 2


@pytest.mark.parametrize("happened", [True, False])
async def test_by_choice_a_function_finds_out_and_its_answer_is_journaled(happened: bool) -> None:
    bank = Bank()
    asked: list[str] = []

    async def look_up(key: str) -> Happened[Receipt] | NotHappened:
        asked.append(key)
        return Happened(Receipt(77)) if happened else NotHappened()

    server = serve(paying(bank, on_unknown=look_up))
    await lose_an_attempt_while_it_pays(server, bank)
    server.suspend_always = True
    assert value_of(await server.run()) == (77 if happened else 2)
    assert asked == ["inv_1/pay"]
    assert len(bank.keys) == (1 if happened else 2)
    assert "Run reconcile pay" in server.commands()


async def test_a_function_that_finds_out_must_answer() -> None:
    bank = Bank()

    async def look_up(key: str) -> Any:
        return "yes"

    server = serve(lambda: effect("pay", bank.pay, on_unknown=look_up))
    await lose_an_attempt_while_it_pays(server, bank)
    assert "answers Happened(result) or NotHappened()" in (await server.run()).failure.message


async def test_by_choice_code_on_the_loop_decides_and_may_wait() -> None:
    bank = Bank()

    async def decide(unknown: EffectUnknown) -> Happened[Receipt]:
        await asyncio.sleep(3600)
        return Happened(await step("ask", lambda: Receipt(5)))

    server = serve(paying(bank, on_unknown=durable.Judge(decide)))
    await lose_an_attempt_while_it_pays(server, bank)
    server.suspend_always = True
    assert value_of(await server.run()) == 5
    assert "Sleep" in server.commands()


async def test_a_restart_with_the_claim_in_its_prefix_asks_for_the_key_that_was_sent() -> None:
    bank = Bank()
    asked: list[str] = []

    async def look_up(key: str) -> NotHappened:
        asked.append(key)
        return NotHappened()

    server = serve(paying(bank, on_unknown=look_up))
    await lose_an_attempt_while_it_pays(server, bank)
    server.invocation_id = "inv_2"
    assert value_of(await server.run()) == 2
    assert asked == ["inv_1/pay"]
    assert bank.keys == ["inv_1/pay"] * 2


async def test_an_effect_that_is_lost_each_time_is_given_up() -> None:
    async def never_tells() -> None:
        lost.append(idempotency_key())
        raise EffectUnknown("pay", idempotency_key(), "no answer")

    lost: list[str] = []
    output = await serve(lambda: effect("pay", never_tells, on_unknown="retry")).run()
    assert "no answer" in output.failure.message
    assert lost == ["inv_1/pay"] * 10


async def test_a_cancelled_invocation_undoes_what_it_pushed_before_and_after_the_effect_in_flight() -> None:
    bank = Bank()
    undone: list[str] = []

    async def main() -> None:
        async with AsyncExitStack() as undo:
            for name in ("first", "second"):
                undo.push_async_callback(step, f"undo {name}", undone.append, name)
                await effect(name, bank.pay)
                bank.answer.clear()
                bank.started.clear()
            undo.pop_all()

    server = serve(main)
    attempt = asyncio.ensure_future(server.run())
    while len(bank.keys) < 2:  # noqa: ASYNC110 - no event tells of the second one alone
        await asyncio.sleep(0)
    server.cancel()
    output = await asyncio.wait_for(attempt, 10)
    assert output.failure.code == 409
    assert undone == ["second", "first"]


# ---- what an attempt can know of its predecessors


async def test_a_step_that_an_earlier_attempt_began_is_marked_in_the_journal() -> None:
    bank = Bank()
    noted: list[Ended] = []

    async def main() -> None:
        with noting_tries() as tries:
            await step("first", bank.pay)
            await step("second", bank.pay)
        noted.extend(tries)

    server = JournalServer(app_of(main), "/invoke/Durable/main", request=b"")
    await lose_an_attempt_while_it_pays(server, bank)
    server.suspend_always = True
    await server.run()
    assert noted == [Ended("first", True, {}), Ended("second", False, {})]
    completions = server.entries(MessageType.RUN_COMPLETION)
    assert [json.loads(c.value.content).get("again", False) for c in completions] == [True, False]
