"""Whether a command says what its page shows: word for word, but for ids, times, sizes and versions."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANY_LINES = "..."
_DIFFERS = {
    re.compile(r"\b(inv|sign|dp|publickeyv1)_(\w*\.\.\.|[\w-]{10,})"): "<id>",
    re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?Z?"): "<time>",
    re.compile(r"\b\d{13}\b"): "<time>",
    re.compile(r"(?<![\w.])(\d+(\.\d+)?(d|h|ms|m|s))+(?!\w)"): "<duration>",
    re.compile(r"\b\d+(\.\d+)? ([KMG]i)?B\b"): "<size>",
    re.compile(r"genai-prices [\d.]+"): "<price list>",
    re.compile(r'"delta":"[^"]*"'): "<words>",  # time decides how many go together
    re.compile(r"\s+"): " ",
}


def is_shown(shown: Sequence[str], output: str) -> bool:
    """Whether these lines are the output, where a line `...` stands for any lines."""
    lines = (r"(.*\n)*" if line == ANY_LINES else re.escape(_masked(line)) + r"\n" for line in shown)
    said = "".join(f"{_masked(line)}\n" for line in output.rstrip().splitlines())
    return re.fullmatch("".join(lines), said) is not None


def _masked(line: str) -> str:
    for pattern, mask in _DIFFERS.items():
        line = pattern.sub(mask, line)
    return line.strip()
