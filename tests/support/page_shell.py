"""A folder and a shell in it, in which the commands of a page are run as they stand there.

Not quite as they stand: the ports that pages name become free ones, and ids (`inv_1...`) those that were
printed before. What serves until it is stopped goes on in the background, as soon as it can be reached.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2
import pytest
from free_port import free_port
from page_words import ADMIN, ENDPOINT, GATEWAY, INGRESS, OBJECT, UI, PageWords
from pages import ROOT, Snippet, commands
from restate_server import find_binary, server_env

# What answers at which port of the page once a command serves.
ENGINE = {INGRESS: "/restate/health", ADMIN: "/health"}
SERVES = {
    "perdure up": ENGINE,
    "perdure engine": ENGINE,
    "restate-server": ENGINE,
    "perdure serve": {ENDPOINT: "/health"},
    "perdure gateway": {GATEWAY: "/restate/health"},
    "perdure ui": {UI: "/ui/"},
}
# `make` says what it would do, for that takes minutes. Of all processes only those of this page are found.
PRELUDE = f"""
make() {{ command make --dry-run --directory {ROOT} "$@"; }}
pgrep() {{ command pgrep -s "$SESSIONS" "$@"; }}
"""
HTTP = httpx2.Client(timeout=2, trust_env=False)  # one: each spends 20 ms on certificates
needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="no pip: this environment was made by uv")
_OF_DEVELOPERS = ("PERDURE_", "OPENAI_", "OTEL_", "PIP_", "COLUMNS", "FORCE_COLOR")  # in the environment
_VARIABLES = re.compile(r"(\w+=\S*\s+)*")


@dataclass(frozen=True)
class _Server:
    ports: Collection[int]
    process: subprocess.Popen[bytes]
    log: Path


class PageShell:
    """`bin` comes first in the PATH. `words.known` is for what a test wants to stand for something else."""

    def __init__(self, folder: Path, bin: Path, **environment: str) -> None:  # noqa: A002
        self.folder = folder
        self.words = PageWords(folder)
        self._servers: list[_Server] = []
        self._exported = folder / ".exported"
        (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
        tools = [path for tool in ("restate-server", "restate") if (path := find_binary(tool)) is not None]
        found = [bin, Path(sys.executable).parent, *(tool.parent for tool in tools)]
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_OF_DEVELOPERS)},
            "PATH": os.pathsep.join([*map(str, found), os.environ["PATH"]]),
            "HOME": str(folder),
            "PERDURE_INGRESS": self.address(INGRESS),
            "PERDURE_ADMIN": self.address(ADMIN),
            "PERDURE_BIND": self.address(ENDPOINT),
            "PERDURE_UI_BIND": self.address(UI),
            "PERDURE_GATEWAY_BIND": self.address(GATEWAY),
            "PERDURE_OBJECT_BIND": self.address(OBJECT),
            **server_env(self.words.ports[INGRESS], self.words.ports[ADMIN], free_port()),
            "CI": "1",  # so `restate` does not ask whether one is sure
            **environment,
        }

    def __enter__(self) -> PageShell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.process.kill()
            server.process.wait(10)

    def address(self, port: int) -> str:
        """Where that is which has this port in pages."""
        return f"127.0.0.1:{self.words.ports[port]}"

    def run(
        self,
        snippet: Snippet,
        *,
        before: Mapping[str, Callable[[], object]] | None = None,
        then: Callable[[], object] | None = None,
        typed: Mapping[str, str] | None = None,
        codes: Mapping[str, int] | None = None,
    ) -> list[str]:
        """Run the commands of a snippet, and compare with what the page shows of their outputs; the outputs.

        before: what is done before the command that begins so; typed: what such a command reads; codes: with
        which it ends. then: what is done once the snippet's last command serves.
        """
        outputs = []
        given = commands(snippet)
        for number, (command, shown) in enumerate(given, 1):
            _of(before, command, lambda: None)()
            last = then if number == len(given) else None
            typing, code = _of(typed, command, ""), _of(codes, command, 0)
            outputs.append(self.do(command, typed=typing, code=code, shown=shown, then=last))
        return outputs

    def do(
        self,
        command: str,
        *,
        typed: str = "",
        code: int = 0,
        shown: Sequence[str] = (),
        then: Callable[[], object] | None = None,
    ) -> str:
        """Run one command of a page; its output. It ends with `code`, unless it serves."""
        here = self.words.here(command)
        words = shlex.split(_VARIABLES.sub("", here, count=1), comments=True)
        serves = next((serves for start, serves in SERVES.items() if _starts(words, start)), None)
        if "--follow" in words:
            serves = {}
        if serves is not None and code == 0:
            output = self._serve(here.strip().removesuffix("&"), serves, shown, then)
        else:
            output = self._end(here, typed, code)
        self.words.remember(output)
        assert self.words.are_said(shown, output), "\n".join([f"$ {here}", *shown, "is", output])
        return output

    def until(self, command: str, said: str) -> str:
        """Run it again and again until it says that; its output."""
        deadline = time.monotonic() + 60
        while said not in (output := self.do(command)):
            assert time.monotonic() < deadline, f"$ {command}\n{output}\nnever says {said!r}"
        return output

    def _end(self, command: str, typed: str, code: int) -> str:
        """Run it to its end, in the environment that the commands before it exported; its output."""
        script = self._script(f"{command}\nstatus=$?\nexport -p >{self._exported}\nexit $status")
        keyboard, terminal = os.openpty()
        os.write(keyboard, typed.encode())
        done = subprocess.run(
            script, cwd=self.folder, env=self.environment, stdin=terminal if typed else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        os.close(terminal)
        os.close(keyboard)
        assert done.returncode == code, f"$ {command}\n{done.stdout}\nended with {done.returncode}"
        return done.stdout

    def _serve(
        self,
        command: str,
        serves: Mapping[int, str],
        shown: Sequence[str],
        then: Callable[[], object] | None,
    ) -> str:
        """Start it, in place of what has its ports; what it says until it serves and has said that."""
        self.stop(*serves)
        log = self.folder / f".log-{time.monotonic_ns()}"
        script = self._script(f"{_VARIABLES.match(command)[0]}exec {_VARIABLES.sub('', command, count=1)}")  # type: ignore[index]
        with log.open("wb") as output:
            process = subprocess.Popen(
                script, cwd=self.folder, env=self.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._servers.append(_Server(serves, process, log))
        urls = [f"http://{self.address(port)}{path}" for port, path in serves.items()]
        self._wait(lambda said: all(map(_answers, urls)), "answers")
        if then is not None:
            then()
        return self._wait(lambda said: self.words.are_said(shown, said), "\n".join(shown))

    def wait_until_it_says(self, text: str) -> None:
        """It: what was started last and serves."""
        self._wait(lambda said: text in said, text)

    def _wait(self, holds: Callable[[str], bool], what: str) -> str:
        """Until that holds of the output of what serves; the output."""
        server = self._servers[-1]
        deadline = time.monotonic() + 60
        while not holds(said := server.log.read_text()):
            failure = f"{said}\nis not\n{what}"
            assert server.process.poll() is None, failure
            assert time.monotonic() < deadline, failure
            time.sleep(0.02)
        return said

    def stop(self, *ports: int) -> None:
        """What serves there, by Ctrl-C, if it has not been killed."""
        for server in [each for each in self._servers if {*each.ports} & {*ports}]:
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) in (0, -signal.SIGKILL), server.log.read_text()
            self._servers.remove(server)

    def _script(self, command: str) -> list[str]:
        """How bash runs it: from a file, for a command may look for processes by its own words."""
        script = self.folder / f".script-{time.monotonic_ns()}"
        sessions = ",".join(str(server.process.pid) for server in self._servers)
        exported = f". {self._exported}\n" if self._exported.exists() else ""
        script.write_text(f"{exported}SESSIONS={sessions}{PRELUDE}{command}\n")
        return ["bash", str(script)]


def _of(said: Mapping[str, Any] | None, command: str, default: Any) -> Any:
    return next((value for start, value in (said or {}).items() if command.startswith(start)), default)


def _starts(words: Sequence[str], start: str) -> bool:
    return " ".join(words[: len(start.split())]) == start


def _answers(url: str) -> bool:
    try:
        return HTTP.get(url).status_code == 200
    except httpx2.TransportError:
        return False
