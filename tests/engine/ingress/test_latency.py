"""What makes an answer late without making it wrong."""

from __future__ import annotations

import socket

from perdure.engine.http_server import bind


def test_small_answers_are_not_held_back() -> None:
    """asyncio turns Nagle's algorithm off only on sockets whose protocol is named."""
    with bind("127.0.0.1:0", "--ingress") as server:
        assert server.proto == socket.IPPROTO_TCP
