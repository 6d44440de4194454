"""Budgets: what a run may spend on model calls, its nested agents and parallel tools together.

A budget is looked at before each model call, on the deterministic loop, and charged with the usage of the
journaled answer and with what the journal says that it cost. So a replay comes to the same sums and the same
decisions, whatever prices its process knows, and counts nothing twice: what was spent is the sum of what the
journal holds.

What the journal cannot hold is a call that was in flight when its process died. The provider may bill it, and
it is made again. A try that an earlier attempt had begun is marked in the journal (`"again": true`), and
counted apart.
"""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, Protocol, TypeVar

import restate
from agents import AgentsException, Usage
from restate.extensions import current_context

from perdure.durable import DurableContext, current
from perdure.durable.about import about
from perdure.durable.step import Ended, final, noting_tries
from perdure.errors import NotDurable, PerdureError, Unmetered
from perdure.openai import prices
from perdure.openai.prices import Asked, Price


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may spend. When it is used up, the next model call raises BudgetExceeded.

    tokens: input and output. usd: by `prices`, or else by the list prices of the models' providers.
    calls: model calls that were answered or are in flight.
    prices: by the name that the model itself has: "gpt-5"; for LiteLLM, what follows "litellm/".

    A call is not begun when the budget is used up; what it costs is known only afterwards. So `calls` is
    exact, and `tokens` and `usd` may be exceeded by the calls that were in flight together, at least by one.
    """

    tokens: int | None = None
    usd: float | None = None
    calls: int | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What answered model calls cost.

    usd: of the calls whose price was known when they were made. calls_unpriced: how many are the others.
    calls_again: tries that had been in flight when an attempt ended, and were made again. At least so many:
        the journal may not have heard of one before its process died.
    tokens_again: what those calls cost when they were made again, which is in `tokens` too. What the lost
        ones cost, only the provider knows: the same input, and up to as much output as was allowed.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    calls_unpriced: int = 0
    calls_again: int = 0
    tokens_again: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class BudgetExceeded(PerdureError, AgentsException):
    """A budget is used up, so the next model call was not made. Final, as MaxTurnsExceeded is.

    `budget` is the one that is used up, `spent` what was spent of it, `run_data` what the run has brought.
    """

    def __init__(self, budget: Budget, spent: Spent, what: str) -> None:
        AgentsException.__init__(self, f"the budget is used up: {what}; no further model call is made")
        self.budget = budget
        self.spent = spent


def spent() -> Spent:
    """What all model calls of this invocation have cost so far, those of earlier attempts included.

    For handlers, and what they call. Raises NotDurable elsewhere.
    """
    return _of_invocation().spent


class Ledger:
    """What was spent of one budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.spent = Spent()
        self._in_flight = 0

    def check(self) -> None:
        """Raises BudgetExceeded."""
        limit, spent = self.budget, self.spent
        calls = spent.calls + self._in_flight
        if limit.calls is not None and calls >= limit.calls:
            self._refuse(f"{calls} of {limit.calls} model calls")
        if limit.tokens is not None and spent.tokens >= limit.tokens:
            self._refuse(f"{spent.tokens} of {limit.tokens} tokens")
        if limit.usd is not None and spent.usd >= limit.usd:
            self._refuse(f"{spent.usd:.4f} of {limit.usd:.4f} USD")

    def _refuse(self, what: str) -> NoReturn:
        error = BudgetExceeded(self.budget, self.spent, what)
        final(error)
        raise error

    @contextmanager
    def call_in_flight(self) -> Iterator[None]:
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def charge(self, cost: Spent) -> None:
        before = vars(self.spent)
        self.spent = Spent(**{name: before[name] + more for name, more in vars(cost).items()})


# Of each run with a budget that the calling code is in, the outermost first: all of them pay for a call.
_ledgers: contextvars.ContextVar[tuple[Ledger, ...]] = contextvars.ContextVar("perdure_ledgers", default=())
_invocations: weakref.WeakKeyDictionary[restate.Context, Ledger] = weakref.WeakKeyDictionary()


def begin(budget: Budget | None) -> None:
    """Let model calls be paid out of `budget` too, for as long as the calling contextvars are in use."""
    if budget is not None:
        _ledgers.set((*_ledgers.get(), Ledger(budget)))


@contextmanager
def opened(budget: Budget | None) -> Iterator[None]:
    """Let model calls in the block be paid out of `budget` too."""
    if budget is None:
        yield
        return
    token = _ledgers.set((*_ledgers.get(), Ledger(budget)))
    try:
        yield
    finally:
        _ledgers.reset(token)


def _of_invocation() -> Ledger:
    try:
        context = current_context()
    except LookupError:
        context = None
    if context is None:
        raise NotDurable("spent() was called outside of a restate handler, where there is no invocation")
    of_handler = context.of_handler if isinstance(context, DurableContext) else context
    return _invocations.setdefault(of_handler, Ledger(Budget()))


class Metered(Protocol):
    """The answer of a model."""

    @property
    def usage(self) -> Usage: ...


A = TypeVar("A", bound=Metered)


async def spend(asked: Asked, repeatable: str, call: Callable[[], Awaitable[A]]) -> A:
    """Await `call()`, a model call on the loop, if no budget is used up, and charge what it used and cost.

    repeatable: the name of the step that the provider bills.

    Raises BudgetExceeded. Unmetered fails the run: a budget of tokens or USD could not be kept.
    """
    ledgers = (_of_invocation(), *_ledgers.get())
    price = _price(asked.name, ledgers)
    if price is None:
        _require_listed(asked, ledgers)
    for ledger in ledgers:
        ledger.check()
    with ExitStack() as open_calls:
        for ledger in ledgers:
            open_calls.enter_context(ledger.call_in_flight())
        tries = open_calls.enter_context(noting_tries())
        open_calls.enter_context(about(partial(_told, asked, price), model=asked.name))
        response = await call()
    cost = _cost(response.usage, tries, repeatable, price)
    _require_metered(cost, asked, ledgers)
    for ledger in ledgers:
        ledger.charge(cost)
    return response


def is_kept() -> bool:
    """Whether the calling code belongs to a run with a budget."""
    return bool(_ledgers.get())


def _told(asked: Asked, price: Price | None, answer: Any) -> dict[str, Any]:
    """What the journal says that a call used and cost; nothing of an answer that does not say its usage."""
    usage = getattr(answer, "usage", None)
    if not isinstance(usage, Usage) or not usage.input_tokens + usage.output_tokens:
        return {}
    tokens = {"tokens": [usage.input_tokens, usage.output_tokens]}
    if price is not None:
        return tokens | {"usd": round(price.of(usage), 9)}
    listed = prices.listed(asked, usage)
    return tokens if listed is None else tokens | {"usd": listed.usd, "price_list": listed.price_list}


def _cost(usage: Usage, tries: Sequence[Ended], repeatable: str, price: Price | None) -> Spent:
    """By the journal, never by the list, which may say something else in another process. An answer that had
    no price when it came costs what the budgets of today's code say.
    """
    usd = [made.about["usd"] for made in tries if "usd" in made.about]
    if not usd and price is not None:
        usd = [price.of(usage)]
    again = sum(made.again for made in tries if made.name == repeatable)
    return Spent(
        calls=1,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        usd=sum(usd, 0.0),
        calls_unpriced=int(not usd),
        calls_again=again,
        tokens_again=usage.input_tokens + usage.output_tokens if again else 0,
    )


def _price(model: str | None, ledgers: Sequence[Ledger]) -> Price | None:
    """By the innermost budget that knows the model."""
    for ledger in reversed(ledgers):
        if model is not None and (price := ledger.budget.prices.get(model)) is not None:
            return price
    return None


def _require_listed(asked: Asked, ledgers: Sequence[Ledger]) -> None:
    """Refuse a call that a limit in USD could not count. For one that an earlier attempt had begun, the
    journal says what it cost, or `_require_metered` that it does not.
    """
    context = current()
    assert context is not None
    if _limits_usd(ledgers) and not context.is_replaying() and prices.listed(asked, Usage()) is None:
        raise _unpriced(f"there is no price for {_named(asked)}", asked, ledgers)


def _require_metered(cost: Spent, asked: Asked, ledgers: Sequence[Ledger]) -> None:
    limited = _limits_usd(ledgers) or any(ledger.budget.tokens is not None for ledger in ledgers)
    if limited and cost.tokens == 0:
        raise _unmetered(
            f"model {asked.name!r} answered without saying how many tokens it used, so a budget of tokens or "
            "USD cannot be kept. Use Budget(calls=...), or a provider that reports usage"
        )
    if _limits_usd(ledgers) and cost.calls_unpriced:
        raise _unpriced(f"there was no price for {_named(asked)} when it answered", asked, ledgers)


def _limits_usd(ledgers: Sequence[Ledger]) -> bool:
    return any(ledger.budget.usd is not None for ledger in ledgers)


def _named(asked: Asked) -> str:
    return f"model {asked.name!r}" + (f" at {asked.address}" if asked.address is not None else "")


def _unpriced(what: str, asked: Asked, ledgers: Sequence[Ledger]) -> Unmetered:
    known = sorted({name for ledger in ledgers for name in ledger.budget.prices})
    return _unmetered(
        f"a budget is in USD, and {what}: no budget gives one, and the list of public prices has none. "
        f"Give one: Budget(usd=..., prices={{{asked.name!r}: Price(input=..., output=...)}}), in USD per "
        f"million tokens. Known: {', '.join(known) or 'none'}"
    )


def _unmetered(message: str) -> Unmetered:
    context = current()
    assert context is not None
    return context.fail(Unmetered(message))
