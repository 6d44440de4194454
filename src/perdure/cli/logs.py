"""Where log records go: standard error, in the format and from the level that `--log-format` and
`--log-level` say."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from perdure.telemetry.log_format import FORMATTERS, LogFormat

Level = Literal["debug", "info", "warning", "error"]

LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        envvar="PERDURE_LOG_FORMAT",
        help="How log records are written to standard error. Default: text, or what TARGET itself set up.",
        show_default=False,
    ),
]

LogLevelOption = Annotated[
    Level | None,
    typer.Option(
        "--log-level",
        envvar="PERDURE_LOG_LEVEL",
        help="From which level on. Default: warning, or what TARGET itself set up.",
        show_default=False,
    ),
]


def log_to_stderr(log_format: LogFormat | None, level: Level | None) -> None:
    """Set up the root logger, after the user's module had the first say: what it set up stays, but for what
    an option says."""
    root = logging.getLogger()
    theirs = bool(root.handlers)
    if not theirs:
        root.addHandler(logging.StreamHandler())
    if log_format is not None or not theirs:
        for handler in root.handlers:
            handler.setFormatter(FORMATTERS[log_format or "text"]())
    if level is not None or not theirs:
        root.setLevel((level or "warning").upper())


def log_handlers_once(*, engine_tells_failures: bool) -> None:
    """Let the records of handlers be silent during a replay, and name their invocation."""
    from perdure.durable.log_context import FailedAttempts, InvocationLogFilter

    for handler in logging.getLogger().handlers:
        handler.addFilter(InvocationLogFilter())
    logging.getLogger("restate.server").addFilter(FailedAttempts(is_told=engine_tells_failures))


@dataclass(frozen=True, slots=True)
class HandlerLogs:
    """How a process that runs handlers logs. engine_tells_failures: there is an engine beside it that logs
    failed attempts itself."""

    log_format: LogFormat | None
    level: Level | None
    engine_tells_failures: bool = False

    def set_up(self) -> None:
        """Once TARGET is loaded."""
        log_to_stderr(self.log_format, self.level)
        log_handlers_once(engine_tells_failures=self.engine_tells_failures)
