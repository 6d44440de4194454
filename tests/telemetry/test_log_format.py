"""How records look: to a person, to a program."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from perdure.telemetry.log_format import JsonFormatter, TextFormatter


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("shop").makeRecord(
        "shop", logging.WARNING, "shop.py", 1, message, arguments, None, extra=extra
    )


def test_a_person_reads_the_message_first_and_then_what_it_is_about() -> None:
    line = TextFormatter().format(
        record(
            "no %s",
            "socks",
            service="Shop",
            handler="order",
            invocation_id="inv_1",
            attempt=2,
            step="pack it",
        )
    )

    assert line.endswith("WARNING shop: no socks [Shop/order inv_1 attempt 2 step 'pack it']")
    assert TextFormatter().format(record("nothing known")).endswith("shop: nothing known")


def test_a_program_reads_one_object_a_line() -> None:
    said = record("no %s\nin stock", "socks", invocation_id="inv_1", basket={"socks": 2})

    line = JsonFormatter().format(said)

    assert "\n" not in line
    read = json.loads(line)
    assert read["message"] == "no socks\nin stock"
    assert (read["level"], read["logger"]) == ("WARNING", "shop")
    assert (read["invocation_id"], read["basket"]) == ("inv_1", {"socks": 2})
    assert datetime.fromisoformat(read["time"]).tzinfo == UTC


def test_an_exception_and_what_json_cannot_hold_are_told_as_text() -> None:
    try:
        raise ValueError("no socks")
    except ValueError:
        said = record("failed", when=datetime(2030, 1, 1, tzinfo=UTC))
        said.exc_info = sys.exc_info()

    read = json.loads(JsonFormatter().format(said))

    assert read["exception"].endswith("ValueError: no socks")
    assert read["when"] == "2030-01-01 00:00:00+00:00"
