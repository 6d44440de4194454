"""A real terminal (a pseudo one, to the kernel) with one command in it, as a person sits in front of it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

CTRL_C = "\x03"
CTRL_D = "\x04"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """shown: all that was printed so far, without escape sequences.

    The command runs in a session of its own, whose terminal this is: Ctrl-C is typed, and not sent.
    """

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        env: Mapping[str, str] | None = None,
        columns: int = 100,
    ) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self._slave = slave  # kept open: what a command leaves the terminal as is read off it
        self._settings = termios.tcgetattr(slave)
        self._raw = b""
        self._seen = 0
        tty = shlex.quote(os.ttyname(slave))
        # A session's leader gets the first terminal that it opens as its controlling one.
        shell = f"exec {shlex.join(command)} <{tty} >{tty} 2>&1"
        self._process = subprocess.Popen(
            ["sh", "-c", shell], cwd=directory, env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)
        os.close(self._slave)
        os.close(self._master)

    @property
    def shown(self) -> str:
        return _ESCAPES.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, text: str, timeout_s: float = 30) -> str:
        """All that is shown, once this text is, after what the last `until` waited for."""
        deadline = time.monotonic() + timeout_s
        start = self._seen
        while (at := self.shown.find(text, start)) < 0:
            assert time.monotonic() < deadline, (
                f"not within {timeout_s} s: {text!r} in {self.shown[start:]!r}"
            )
            assert self._read(0.2) or self._process.poll() is None, f"it ended: {self.shown[start:]!r}"
        self._seen = at + len(text)
        return self.shown

    def end(self, timeout_s: float = 20) -> int:
        """The exit code, once the command has ended; all that it printed is in `shown` then."""
        deadline = time.monotonic() + timeout_s
        while self._process.poll() is None:
            self._read(0.1)
            assert time.monotonic() < deadline, f"it did not end: {self.shown!r}"
        while self._read(0.1):
            pass
        return self._process.returncode

    def is_as_it_was(self) -> bool:
        """Whether the command left the terminal's settings (echo, line editing, signals) as it found them."""
        return termios.tcgetattr(self._slave) == self._settings

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return False
        part = os.read(self._master, 65536)
        self._raw += part
        return bool(part)
