"""Options that several commands share as one set: a parameter of a command, made from options of its own.

typer reads a command's options from its signature. So a set of options is a function that has them as its
parameters, and a command that takes what it returns is given a signature that has them instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def composed(**makers: Callable[..., object]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Make each parameter that is named here of the options of its maker."""

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        own = inspect.signature(command, eval_str=True)
        made = {name: inspect.signature(maker, eval_str=True).parameters for name, maker in makers.items()}

        def with_options(**given: Any) -> T:
            values = {
                name: makers[name](**{option: given.pop(option) for option in options})
                for name, options in made.items()
            }
            return command(**values, **given)

        parameters = [each for name, each in own.parameters.items() if name not in made]
        parameters += [option for options in made.values() for option in options.values()]
        with_options.__signature__ = own.replace(  # type: ignore[attr-defined]
            parameters=[each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        )
        with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
        return with_options

    return decorate
