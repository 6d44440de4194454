"""How a log record is written: a line for people, or JSON for programs.

Both show what a record says of its invocation: the attributes of INVOCATION, which the filter of
`perdure.durable.log_context` sets for what handlers log, and the engine for what it logs of them.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

INVOCATION = ("invocation_id", "service", "handler", "attempt", "step", "trace_id")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest is what its author added with `extra`."""


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message [Service/handler inv_... attempt 2 step 'x']`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        line = super().formatMessage(record)
        return f"{line} [{about}]" if (about := _about(vars(record))) else line


def _about(said: dict[str, object]) -> str:
    parts = []
    if said.get("service"):
        parts.append(f"{said['service']}/{said.get('handler')}")
    if said.get("invocation_id"):
        parts.append(str(said["invocation_id"]))
    if said.get("attempt"):
        parts.append(f"attempt {said['attempt']}")
    if said.get("step"):
        parts.append(f"step {said['step']!r}")
    return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """One object a line: `time` (UTC), `level`, `logger`, `message`, those of INVOCATION that are known,
    `exception`, and what the author of the record added."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False, default=str)


FORMATTERS: dict[LogFormat, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}
