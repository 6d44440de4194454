"""Text in SQL, on either engine."""

from __future__ import annotations


def sql_text(text: str) -> str:
    """A literal."""
    return "'" + text.replace("'", "''") + "'"
