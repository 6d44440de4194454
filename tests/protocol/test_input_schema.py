"""Values against the schemas of handlers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from perdure.protocol.input_schema import mismatch

PERSON = {"$ref": "#/$defs/Person", "$defs": {"Person": {"type": "object", "required": ["name"]}}}


def test_what_is_wrong_is_told_with_its_place() -> None:
    assert mismatch(PERSON, {"name": "Ada"}) is None
    wrong = mismatch({"properties": {"age": {"type": "integer"}}}, {"age": "old"})
    assert wrong is not None
    assert (wrong.json_path, wrong.message) == ("$.age", "'old' is not of type 'integer'")


@pytest.fixture
def schema_server() -> Iterator[tuple[str, list[str]]]:
    """The address of a schema, and who has asked for it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"type": "integer"}).encode())

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/schema.json", asked
        server.shutdown()


def test_nothing_is_fetched_for_a_schema(schema_server: tuple[str, list[str]]) -> None:
    address, asked = schema_server
    assert mismatch({"$ref": address}, "not a number") is None
    assert asked == []
