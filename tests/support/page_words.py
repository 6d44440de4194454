"""What a page says, and what it means here: ports that are free, and ids that have been printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from free_port import free_port
from shown_output import is_shown

INGRESS, ADMIN, ENDPOINT, UI, GATEWAY, OBJECT = 8080, 9070, 9080, 9071, 8088, 9088
HOME = "/home/ada/shop"  # in pages, the folder of the shell
_KIND_OF_ID = r"\b(inv|sign|dp)_1"
_PRINTED_ID = re.compile(_KIND_OF_ID + r"[\w-]{20,}")
_ID = re.compile(_KIND_OF_ID + r"(\.\.\.|[\w-]{20,})")
_ADDRESS = re.compile(r"\b(localhost|127\.0\.0\.1):(\d+)\b")


class PageWords:
    """known: what other words of the page stand for, and ids that are not the last of their kind."""

    def __init__(self, folder: Path) -> None:
        self.known: dict[str, str] = {}
        self.ports = {port: free_port() for port in (INGRESS, ADMIN, ENDPOINT, UI, GATEWAY, OBJECT)}
        self._folder = folder
        self._printed: list[str] = []  # ids, the last one last

    def remember(self, output: str) -> None:
        """The ids that were printed: one of the page stands for the last of its kind."""
        self._printed += (found[0] for found in _PRINTED_ID.finditer(output))

    def here(self, command: str) -> str:
        """A command of the page, as it is to be run."""
        for word, meaning in self.known.items():
            command = command.replace(word, meaning)
        command = _ID.sub(self._real_id, command)
        return _ADDRESS.sub(lambda found: f"{found[1]}:{self.ports.get(int(found[2]), found[2])}", command)

    def _real_id(self, found: re.Match[str]) -> str:
        if found[0] in self._printed:
            return found[0]
        return next(each for each in reversed(self._printed) if each.startswith(found[1]))

    def are_said(self, shown: Sequence[str], output: str) -> bool:
        """Whether the page shows this output, or none of it."""
        for port, free in self.ports.items():
            output = output.replace(f":{free}", f":{port}")
        for word, meaning in self.known.items():
            output = output.replace(meaning, word)
        return not shown or is_shown(shown, output.replace(str(self._folder), HOME))
