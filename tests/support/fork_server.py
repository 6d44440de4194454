"""`perdure ...` processes forked from one that has done the imports: 0.1 s to start instead of 2.

Tests start some hundreds of them, and would spend most of their time importing the SDKs. What is forked has
run no code of ours yet, has no loop, no thread and no open file, so it is killed and recovers like the real
command; only its hash seed and its addresses are those of its siblings, which could hide code that replays in
another order. So `child_process.spawn` starts one in ten as the real command, in a new interpreter.

For a shell there is a command of the name `perdure`, a small client at a door of the same process: with the
arguments, folder, environment, standard streams and exit code of its own that any command has.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

PRELOADED = (  # what commands import when they run
    "google._upb._message",
    "granian",
    "h11",
    "httpx2",
    "jsonschema",
    "perdure.cli.banner",
    "perdure.cli.chat_partner",
    "perdure.cli.chat_view",
    "perdure.cli.service_endpoint",
    "perdure.client",
    "perdure.engine.server",
    "perdure.openai",
    "perdure.testing.scripted_model",
    "rich.console",
    "rich.table",
    "rich.tree",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys

door = socket.socket(socket.AF_UNIX)
door.connect({door!r})
order = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
socket.send_fds(door, [json.dumps(order).encode() + b"\\n"], [0, 1, 2])
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: door.send(bytes([number])))
ended = door.recv(1)
os._exit(ended[0] if ended else 1)
"""


class ForkServer:
    """The process that has done the imports. It ends when this one does, which holds its standard input.

    bin: a folder with the command, for the PATH of a shell.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="perdure-")  # a socket's path must be short
        self.bin = Path(self._folder.name)
        door = str(self.bin / "door")
        client = self.bin / "perdure"
        client.write_text(CLIENT.format(python=sys.executable, door=door))
        client.chmod(0o755)
        # -P: the command finds no module beside this file, as it does not in a new interpreter.
        command = [sys.executable, "-P", __file__, door]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "it ended"

    def fork(self, arguments: Sequence[str], log_path: Path, env: Mapping[str, str]) -> ForkedProcess:
        """`perdure ARGUMENTS...` as the leader of a new process group, its output appended to `log_path`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": arguments, "log": str(log_path), "env": dict(env), "cwd": str(Path.cwd())}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return ForkedProcess(int(self._process.stdout.readline()))


class ForkedProcess:
    """A grandchild: the fork server reaps it, so we know that it is gone but not its exit status."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout)
            time.sleep(0.001)
        return -1


def _serve(path: str) -> None:
    for module in PRELOADED:
        importlib.import_module(module)
    from perdure.cli.main import main

    gc.collect()
    gc.freeze()  # in a forked process the collector of cycles would touch, and so copy, all that is there
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: a killed child is gone at once
    door = socket.socket(socket.AF_UNIX)
    door.bind(path)
    door.listen()
    print("ready", flush=True)
    while True:
        asks, _, _ = select.select([sys.stdin, door], [], [])
        if door in asks:
            client, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _attend(client, main)
            client.close()
        elif line := sys.stdin.readline():
            _spawn(json.loads(line), door, main)
        else:
            return


def _spawn(order: Mapping[str, Any], door: socket.socket, main: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        door.close()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _become_perdure(order, (os.open(os.devnull, os.O_RDONLY), log, log), main)
    os.setpgid(pid, pid)  # before its pid is told, and not by itself: it may be killed at once
    print(pid, flush=True)


def _attend(client: socket.socket, main: Callable[[], None]) -> NoReturn:
    """Run a client's command, pass signals on to it, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, streams, _, _ = socket.recv_fds(client, 1 << 20, 3)
    while not order.endswith(b"\n"):
        order += client.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        client.close()
        _become_perdure(json.loads(order), streams, main)
    for stream in streams:
        os.close(stream)
    threading.Thread(target=_pass_signals, args=(client, pid), daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        client.send(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _pass_signals(client: socket.socket, pid: int) -> None:
    while number := client.recv(1):
        os.kill(pid, number[0])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # the client is gone


def _become_perdure(order: Mapping[str, Any], streams: Sequence[int], main: Callable[[], None]) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv = ["perdure", *order["arguments"]]
    main()
    sys.exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
