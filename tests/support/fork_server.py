"""`perdure ...` processes forked from one that has done the imports: 0.1 s to start instead of 2.

Tests start some hundreds of them, and would spend most of their time importing the SDKs. What is forked has
run no code of ours yet, has no loop, no thread and no open file, so it is killed and recovers like the real
command; only its hash seed and its addresses are those of its siblings, which could hide code that replays in
another order. So `child_process.spawn` starts one in ten as the real command, in a new interpreter.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

PRELOADED = (  # what `perdure up` and `perdure serve` import when they run
    "google._upb._message",
    "granian",
    "h11",
    "jsonschema",
    "perdure.cli.banner",
    "perdure.cli.service_endpoint",
    "perdure.engine.server",
    "perdure.openai",
    "perdure.testing.scripted_model",
    "rich.console",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)


class ForkServer:
    """The process that has done the imports. It ends when this one does, which holds its standard input."""

    def __init__(self) -> None:
        # -P: the command finds no module beside this file, as it does not in a new interpreter.
        command = [sys.executable, "-P", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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


def _serve() -> None:
    for module in PRELOADED:
        importlib.import_module(module)
    from perdure.cli.main import main

    gc.collect()
    gc.freeze()  # in a forked process the collector of cycles would touch, and so copy, all that is there
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: a killed child is gone at once
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            order = json.loads(line)
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            _become_perdure(order, (os.open(os.devnull, os.O_RDONLY), log, log), main)
        os.setpgid(pid, pid)  # before its pid is told, and not by itself: it may be killed at once
        print(pid, flush=True)


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
    _serve()
