"""What a model call costs: by a price that the user gives, or else by a public list.

The list is genai-prices, and lies in its package: nothing is asked over the network. It says what a token
costs at the provider's own door, so it holds only where it is known at whose door a call is made. A model of
that name on another machine, or behind a gateway, costs something else or nothing, and has no price here.

What the list says changes with its versions and with the day. So it is asked once, when an answer is there,
and the journal keeps what it said.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import genai_prices
import genai_prices.data  # takes 30 ms and 5 MB: while the process starts, not in its first call
from agents import Usage

logger = logging.getLogger(__name__)

_VERSION = f"genai-prices {genai_prices.__version__}"


@dataclass(frozen=True, kw_only=True)
class Price:
    """Of a model, in USD per million tokens. Cached input costs as other input does, if it is not given; what
    is written to a cache always does.
    """

    input: float
    output: float
    cached_input: float | None = None

    def of(self, usage: Usage) -> float:
        """What a call costs, in USD."""
        cached = usage.input_tokens_details.cached_tokens or 0
        cached_price = self.input if self.cached_input is None else self.cached_input
        paid = (usage.input_tokens - cached) * self.input + cached * cached_price
        return (paid + usage.output_tokens * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The model that a call asks. name: its own, if it has one.

    reference: by which its provider knows it. address: of the API that is asked. provider: as LiteLLM and
    any-llm call it. Where neither of these is known, it may be anybody's model.
    """

    name: str | None = None
    reference: str = ""
    address: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class ListPrice:
    """price_list: which one, in words."""

    usd: float
    price_list: str


def listed(asked: Asked, usage: Usage) -> ListPrice | None:
    """What the list says now. None if it does not know the model, or nobody knows whose it is."""
    if asked.address is None and asked.provider is None:
        return None
    try:
        return _listed(asked, usage)
    except LookupError:
        return None
    except Exception as error:  # no run fails because of what readers are told
        logger.warning("no list price for a call of %r: %r", asked.name, error)
        return None


def _listed(asked: Asked, usage: Usage) -> ListPrice | None:
    used = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.input_tokens_details.cached_tokens or 0,
        cache_write_tokens=getattr(usage.input_tokens_details, "cache_write_tokens", 0) or 0,
        output_tokens=usage.output_tokens,
    )
    if asked.address is not None:
        found = genai_prices.calc_price(used, asked.reference, provider_api_url=asked.address)
    else:
        found = genai_prices.calc_price(used, asked.reference, provider_id=asked.provider)
    if all(price is None for price in vars(found.model_price).values()):
        return None  # a model that the list has, for nothing or without knowing what for
    updated = found.auto_update_timestamp  # where the user's process keeps the list up to date
    return ListPrice(
        usd=round(float(found.total_price), 9),
        price_list=_VERSION if updated is None else f"genai-prices of {updated:%Y-%m-%d}",
    )
