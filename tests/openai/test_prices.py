"""What a model call costs by the public list: for whom it is known, and what can never come of it."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from agents import Usage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from perdure.openai.prices import Asked, ListPrice, Price, listed

OPENAI = "https://api.openai.com/v1/"


def usage(given: int, made: int, cached: int = 0, written: int = 0) -> Usage:
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    return Usage(
        requests=1,
        input_tokens=given,
        input_tokens_details=InputTokensDetails.model_validate(details),
        output_tokens=made,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        total_tokens=given + made,
    )


USED = usage(1_000_000, 100_000)


def usd(asked: Asked, used: Usage = USED) -> float:
    price = listed(asked, used)
    assert price is not None
    return price.usd


def test_a_model_at_its_providers_door_has_its_list_price() -> None:
    price = listed(Asked("gpt-4o", "gpt-4o", address=OPENAI), USED)
    assert price is not None
    assert price.usd == pytest.approx(2.5 + 1.0)
    assert price.price_list.startswith("genai-prices 0.")


def test_cached_input_is_cheaper_and_written_input_is_dearer_where_the_provider_says_so() -> None:
    openai = Asked("gpt-4o", "gpt-4o", address=OPENAI)
    assert usd(openai, usage(1_000_000, 0, cached=400_000)) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)
    claude = Asked("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", provider="anthropic")
    assert usd(claude, usage(100_000, 0)) == pytest.approx(0.3)
    assert usd(claude, usage(100_000, 0, cached=50_000, written=50_000)) == pytest.approx(0.015 + 0.1875)


def test_a_dated_name_is_the_model_of_that_name() -> None:
    plain, dated = (Asked(name, name, address=OPENAI) for name in ("gpt-5-mini", "gpt-5-mini-2025-08-07"))
    assert usd(plain) == usd(dated) > 0


@pytest.mark.parametrize(
    ("reference", "door"),
    [
        ("gpt-4o", {"address": "https://acme.openai.azure.com/openai/"}),
        ("openai/gpt-4o", {"address": "https://openrouter.ai/api/v1/"}),
        ("gemini-2.5-flash", {"provider": "gemini"}),
        ("claude-sonnet-4-5@20250929", {"provider": "vertex_ai"}),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", {"provider": "bedrock"}),
        ("anthropic/claude-sonnet-4.5", {"provider": "openrouter"}),
        ("llama-3.3-70b-versatile", {"provider": "groq"}),
    ],
)
def test_providers_are_known_by_their_address_or_as_adapters_call_them(
    reference: str, door: dict[str, Any]
) -> None:
    assert usd(Asked("", reference, **door)) > 0


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked("gpt-4o", "gpt-4o"),  # whose?
        Asked("gpt-4o", "gpt-4o", address="http://127.0.0.1:11434/v1/"),
        Asked("gpt-4o", "gpt-4o", address="https://gateway.acme.test/v1/"),
        Asked("gpt-4o", "gpt-4o", address=""),
        Asked("our-deployment", "our-deployment", address="https://acme.openai.azure.com/openai/"),
        Asked("gpt-4o-lookalike", "gpt-4o-lookalike", address=OPENAI),
        Asked("ollama/llama3", "llama3", provider="ollama"),
        Asked("hosted_vllm/gpt-4o", "gpt-4o", provider="hosted_vllm"),
        Asked("litellm_proxy/gpt-4o", "gpt-4o", provider="litellm_proxy"),
        Asked("", "", provider=""),
        Asked("x" * 10_000, "x" * 10_000, address=OPENAI),
        Asked(
            "omni-moderation-latest", "omni-moderation-latest", address=OPENAI
        ),  # in the list, without a price
    ],
    ids=lambda asked: f"{str(asked.name)[:24]} {asked.address or asked.provider}",
)
def test_where_the_list_cannot_know_the_price_there_is_none(asked: Asked) -> None:
    assert listed(asked, USED) is None


def test_odd_usage_is_logged_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert listed(Asked("gpt-4o", "gpt-4o", address=OPENAI), usage(10, 1, cached=20)) is None
    assert "no list price for a call of 'gpt-4o'" in caplog.text


def test_a_users_own_price_with_and_without_one_for_cached_input() -> None:
    used = usage(1_000_000, 100_000, cached=400_000)
    assert Price(input=1.0, cached_input=0.1, output=10.0).of(used) == pytest.approx(0.6 + 0.04 + 1.0)
    assert Price(input=1.0, output=10.0).of(used) == pytest.approx(1.0 + 1.0)


def test_a_list_that_the_users_process_updates_is_told_by_its_date() -> None:
    from datetime import UTC, datetime

    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

    newer = DataSnapshot(providers, from_auto_update=True, timestamp=datetime(2026, 11, 23, tzinfo=UTC))
    set_custom_snapshot(newer)
    try:
        price = listed(Asked("gpt-4o", "gpt-4o", address=OPENAI), USED)
    finally:
        set_custom_snapshot(None)
    assert price == ListPrice(pytest.approx(3.5), "genai-prices of 2026-11-23")


ALONE = """
import sys
def no_network(event, arguments):
    assert event not in ("socket.connect", "socket.getaddrinfo", "_thread.start_new_thread"), event
sys.addaudithook(no_network)
from agents import Usage
from perdure.openai.prices import Asked, listed
assert "genai_prices.data" in sys.modules, "not in the first call"
print(listed(Asked("gpt-4o", "gpt-4o", address="https://api.openai.com/v1/"), Usage(input_tokens=10)).usd)
"""


def test_the_list_is_read_when_a_process_starts_and_asks_nobody() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("2.5e-05\n", "")
