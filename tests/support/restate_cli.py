"""The real `restate` command line from npm, one command at a time."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from restate_server import find_binary


class Engine(Protocol):
    """What the command line needs to know of one."""

    ingress_url: str
    admin_url: str


@dataclass(frozen=True)
class Said:
    """What a command said, with runs of blanks made one: tables are as wide as their longest id."""

    exit_code: int
    lines: list[str]
    errors: str

    def __contains__(self, line: str) -> bool:
        return line in self.lines

    def table(self, first_column: str) -> list[list[str]]:
        """The rows below a header, split at blanks, up to an empty line."""
        header = next(i for i, line in enumerate(self.lines) if line.startswith(f"{first_column} "))
        rows: list[list[str]] = []
        for line in self.lines[header + 1 :]:
            if not line:
                break
            rows.append(line.split())
        return rows


class RestateCli:
    """`cli("invocations", "list")`, pointed at an engine; its settings are in `home`."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._engine = engine
        self._home = home
        home.mkdir(exist_ok=True)

    def __call__(self, *arguments: str, **environment: str) -> Said:
        """Run one command to its end; it says yes to all questions."""
        done = subprocess.run(
            [str(find_binary("restate")), "--yes", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._home),
                "RESTATE_CLI_CONFIG_HOME": str(self._home),
                "RESTATE_ADMIN_URL": self._engine.admin_url,
                "RESTATE_INGRESS_URL": self._engine.ingress_url,
                "NO_COLOR": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return Said(done.returncode, [_one_blank(line) for line in done.stdout.splitlines()], done.stderr)


def _one_blank(line: str) -> str:
    without_style = re.sub(r"\x1b\[[0-9;]*m", "", line)
    return re.sub(r"\s+", " ", without_style).strip()
