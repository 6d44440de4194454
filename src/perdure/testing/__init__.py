"""Tools for testing durable code: a private engine, a clock that skips sleeps, a scripted model."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.testing.private_engine import Harness, harness

__all__ = ["Harness", "harness"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: pytest imports this package in every run, for the plugin beside it.
    if name not in __all__:
        raise AttributeError(f"module 'perdure.testing' has no attribute {name!r}")
    from perdure.testing import private_engine

    return getattr(private_engine, name)
