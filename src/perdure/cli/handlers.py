"""What a manifest offers, as a person types it: targets, and a curl line that calls one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from perdure.inspection.schema_example import example
from perdure.protocol.discovery import HandlerManifest, Manifest, ServiceManifest


def target_names(manifest: Manifest) -> list[str]:
    """Every handler as `Service/handler`."""
    return [f"{service.name}/{handler.name}" for service, handler in _handlers(manifest)]


def curl_line(manifest: Manifest, ingress_url: str) -> str | None:
    """A line to paste that calls the first handler, with an input of the right shape."""
    for service, handler in _handlers(manifest):
        key = "" if service.kind == "SERVICE" else "/my-key"
        line = f"curl {ingress_url.removeprefix('http://')}/{service.name}{key}/{handler.name}"
        if handler.input_content_type is None:
            return f"{line} -X POST"
        return f"{line} --json {shlex.quote(json.dumps(example(handler.input_schema)))}"
    return None


def _handlers(manifest: Manifest) -> Iterator[tuple[ServiceManifest, HandlerManifest]]:
    for service in manifest.services.values():
        for handler in service.handlers.values():
            yield service, handler
