"""A line to paste into a terminal that calls a handler, with an input of the right shape."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from perdure.inspection.deployments import Handler, Service
from perdure.inspection.schema_example import example


def try_line(ingress_url: str, service: Service, handler: Handler) -> str:
    """`curl localhost:8080/Greeter/greet --json '"..."'`."""
    parts = (
        [service.name, handler.name] if service.kind == "service" else [service.name, "my-key", handler.name]
    )
    url = "/".join([ingress_url, *(quote(part, safe="") for part in parts)])
    if handler.input_description == "none":
        return f"curl -X POST {shlex.quote(url)}"
    return f"curl {shlex.quote(url)} --json {shlex.quote(json.dumps(example(handler.input_schema)))}"


def first_try(ingress_url: str, services: Sequence[Service]) -> str:
    """Of the first handler that may be called; '' where there is none."""
    callable_ones = (
        (service, handler)
        for service in sorted(services, key=lambda each: each.kind != "service")  # these need no key
        if service.public
        for handler in service.handlers
        if handler.public
    )
    found = next(callable_ones, None)
    return "" if found is None else try_line(ingress_url, *found)
