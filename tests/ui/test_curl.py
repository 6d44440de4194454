"""A call as a line for the shell: every word arrives as it was."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from perdure.ui.curl import curl

URL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["curl", f"{URL}/Svc/run", "-X", "POST"]),
        ({"body": '"it\'s $HOME"'}, ["curl", f"{URL}/Svc/run", "--json", '"it\'s $HOME"']),
        ({"key": "a/b c"}, ["curl", f"{URL}/Svc/a%2Fb%20c/run", "-X", "POST"]),
        ({"send": True, "delay_ms": 1500}, ["curl", f"{URL}/Svc/run/send?delay=1500ms", "-X", "POST"]),
        (
            {"body": "x\ny", "content_type": "text/plain"},
            ["curl", f"{URL}/Svc/run", "-H", "content-type: text/plain", "--data-raw", "x\ny"],
        ),
        (
            {"streams": True, "idempotency_key": "; rm -rf ~"},
            [
                *("curl", "-N", f"{URL}/Svc/run", "-X", "POST"),
                *("-H", "accept: text/event-stream", "-H", "idempotency-key: ; rm -rf ~"),
            ],
        ),
    ],
)
def test_lines(options: dict[str, Any], words: list[str]) -> None:
    assert shlex.split(curl(URL, "Svc/run", **options)) == words
