"""Lines of standard input, without a thread: one that waits in a read could not be stopped by Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator

_CHUNK_BYTES = 65536


async def lines(prompt: str) -> AsyncIterator[str]:
    """Each line once it is asked for; `prompt` is shown where a person types."""
    number = sys.stdin.fileno()
    if stat.S_ISREG(os.fstat(number).st_mode):  # the loop cannot wait for a file, and need not
        for line in sys.stdin:
            yield line
        return
    typed = sys.stdin.isatty()
    rest = b""
    while True:
        if typed:
            print(prompt, end="", flush=True)
        while b"\n" not in rest:
            try:
                chunk = await _read(number)
            except asyncio.CancelledError:
                _leave_the_line(typed)
                raise
            if not chunk:
                _leave_the_line(typed)
                if rest:
                    yield rest.decode(errors="replace")
                return
            rest += chunk
        line, _, rest = rest.partition(b"\n")
        yield line.decode(errors="replace")


def _leave_the_line(typed: bool) -> None:
    """Or the shell's own prompt would stand behind ours."""
    if typed:
        print(flush=True)


async def _read(number: int) -> bytes:
    """What there is, b"" at the end."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(number, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(number)
    return os.read(number, _CHUNK_BYTES)
