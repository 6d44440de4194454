"""How attempts are retried: exponential back-off, then pause or kill.

The defaults are restate-server's (500 ms, factor 2, at most a minute apart, 70 attempts, then pause).
No jitter: the engine has one process, and a reproducible time is worth more in tests and to a reader.
"""

from __future__ import annotations

from dataclasses import dataclass

from perdure.protocol.discovery import HandlerOptions


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Intervals in milliseconds. `max_attempts` counts the first attempt; None is no limit."""

    initial_interval_ms: int = 500
    exponentiation_factor: float = 2.0
    max_interval_ms: int = 60_000
    max_attempts: int | None = 70
    kill_on_max_attempts: bool = False

    @classmethod
    def of(cls, options: HandlerOptions) -> RetryPolicy:
        """The policy of a handler's options, with the defaults where they say nothing."""
        default = cls()

        def or_default(value: float | None, otherwise: float) -> float:
            return otherwise if value is None else value

        return cls(
            initial_interval_ms=int(
                or_default(options.retry_initial_interval_ms, default.initial_interval_ms)
            ),
            exponentiation_factor=or_default(
                options.retry_exponentiation_factor, default.exponentiation_factor
            ),
            max_interval_ms=int(or_default(options.retry_max_interval_ms, default.max_interval_ms)),
            max_attempts=default.max_attempts
            if options.retry_max_attempts is None
            else options.retry_max_attempts,
            kill_on_max_attempts=options.retry_on_max_attempts == "KILL",
        )

    def exhausted(self, failed_attempts: int) -> bool:
        """True when no attempt may follow that many failed ones."""
        return self.max_attempts is not None and failed_attempts >= self.max_attempts

    def delay_ms(self, failed_attempts: int) -> int:
        """The pause after the n-th failed attempt in a row, n from 1. The first one is not capped."""
        if failed_attempts <= 1:
            return self.initial_interval_ms
        try:
            growth = self.exponentiation_factor ** (failed_attempts - 1)
        except OverflowError:  # the interval stopped growing long ago
            return self.max_interval_ms
        return int(min(self.initial_interval_ms * growth, self.max_interval_ms))
