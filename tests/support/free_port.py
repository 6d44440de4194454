"""A TCP port that stays free until a child binds it, and again when that child is killed and restarted.

Binding port 0 gives a port of the ephemeral range, which the kernel hands out again as the source port of
any outgoing connection: between the probe and the child's bind, or while a killed child is down. So we
draw below that range (it starts at 32768 on Linux, 49152 on macOS) and never draw a port twice.
"""

from __future__ import annotations

import random
import socket
import time

_FIRST, _LAST = 15_000, 32_000
_handed_out: set[int] = set()
_draw = random.Random()  # not the global one: a test that seeds it must not make two runs collide


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on. Raises OSError when 1,000 draws found none."""
    for _ in range(1_000):
        port = _draw.randrange(_FIRST, _LAST)
        if port in _handed_out:
            continue
        if is_free(port):
            _handed_out.add(port)
            return port
    raise OSError(f"no free TCP port between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_free(port: int, timeout_s: float = 10) -> None:
    """Returns when a server could listen on `port`. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not is_free(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"port {port} is still in use after {timeout_s} s")
        time.sleep(0.001)
