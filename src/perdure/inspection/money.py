"""Amounts of money as people read them."""

from __future__ import annotations


def usd(amount: float) -> str:
    """Cents where they count, more digits where they do not: `$12.40`, `$0.0031`."""
    if 0 < amount < 0.0001:
        return "<$0.0001"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def cost(amount: float, price_list: str | None) -> str:
    """`≈ $0.0031` by a price list, which knows no discounts; `$0.0031` by prices that the user gave."""
    read = usd(amount)
    return read if price_list is None or read.startswith("<") else f"≈ {read}"


def without_price(calls: int) -> str:
    """`1 call without a price`."""
    return f"{calls:,} call{'' if calls == 1 else 's'} without a price"
