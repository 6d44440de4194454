"""A name of the SDK that we replace or rely on."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable
from typing import Any

from perdure.durable import on_deterministic_loop
from perdure.errors import IncompatibleSDK


class Point:
    """A function of the SDK by the name under which its runner calls it, and the parameters that we rely
    on.

    module: `package.module`, or `package.module:Class` for a method.
    """

    def __init__(self, module: str, name: str, *parameters: str) -> None:
        self.module, self.name, self.parameters = module, name, parameters

    def find(self) -> tuple[Any, Callable[..., Any]]:
        """The holder (module or class) and the function; IncompatibleSDK if it is not as we know it."""
        module, _, cls = self.module.partition(":")
        try:
            holder = importlib.import_module(module)
            holder = getattr(holder, cls) if cls else holder
            function = getattr(holder, self.name)
            known = inspect.signature(function).parameters
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise self._incompatible(f"is missing ({error})") from error
        if missing := [name for name in self.parameters if name not in known]:
            raise self._incompatible(f"has no parameter {', '.join(missing)}")
        return holder, function

    def _incompatible(self, what: str) -> IncompatibleSDK:
        installed = importlib.metadata.version("openai-agents")
        wanted = next(
            (r for r in importlib.metadata.requires("perdure") or [] if r.startswith("openai-agents")),
            "openai-agents",
        )
        return IncompatibleSDK(
            f"openai-agents {installed} is installed, and its {self.module.replace(':', '.')}.{self.name} "
            f"{what}. This version of Perdure works with {wanted}"
        )


def durable_or(
    original: Callable[..., Any],
    replacement: Callable[..., Any],
    where: Callable[[], bool] = on_deterministic_loop,
) -> Callable[..., Any]:
    """The SDK's function, and `replacement(original, ...)` in its place where `where()` holds."""

    @functools.wraps(original)
    def choose(*args: Any, **options: Any) -> Any:
        if where():
            return replacement(original, *args, **options)
        return original(*args, **options)

    choose.__perdure__ = True  # type: ignore[attr-defined]
    return choose
