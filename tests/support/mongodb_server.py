"""A server of MongoDB's protocol, in a child process: SecantusDB, on MongoDB's own storage engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from free_port import free_port


@contextmanager
def mongodb_server(folder: Path) -> Iterator[str]:
    """Its address, ready for clients; what it stores is in `folder`."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "secantus",
        "--port",
        str(port),
        "--storage-path",
        str(folder),
        "--standalone",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = next((line for line in process.stderr if "listening on" in line), None)
        assert said is not None, f"secantus ended with {process.wait()} before it listened"
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()
