"""The part of a Dapr sidecar that sessions use: state over gRPC, and health over HTTP, in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
from dapr.proto import api_service_v1, api_v1, common_v1
from google.protobuf import empty_pb2


class _State(api_service_v1.DaprServicer):  # type: ignore[misc]
    """One store, whatever its name. A write of a key changes its etag; one with an old etag is refused."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def GetState(self, request: Any, context: Any) -> Any:  # noqa: N802
        value, version = self._values.get(request.key, (b"", 0))
        return api_v1.GetStateResponse(data=value, etag=str(version or ""))

    def SaveState(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._lock:
            for item in request.states:
                _, version = self._values.get(item.key, (b"", 0))
                checked = item.options.concurrency == common_v1.StateOptions.CONCURRENCY_FIRST_WRITE
                if checked and item.etag.value and item.etag.value != str(version):
                    context.abort(grpc.StatusCode.ABORTED, "etag mismatch")
                self._values[item.key] = (item.value, version + 1)
        return empty_pb2.Empty()

    def DeleteState(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._lock:
            self._values.pop(request.key, None)
        return empty_pb2.Empty()


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def dapr_sidecar() -> Iterator[tuple[str, str]]:
    """Its gRPC address, and the URL of its HTTP port."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    api_service_v1.add_DaprServicer_to_server(_State(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with HTTPServer(("127.0.0.1", 0), _Health) as health:
        threading.Thread(target=health.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{port}", f"http://127.0.0.1:{health.server_port}"
        health.shutdown()
    server.stop(None)
