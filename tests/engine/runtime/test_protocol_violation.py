"""A handler that breaks the protocol is told apart from one that fails: code 571, and the retry policy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from perdure.engine.core.model import Failure, Target
from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.transport.asgi import AsgiTransport
from perdure.protocol.frames import encode_frame
from perdure.protocol.ids import random_invocation_id
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio

MANIFEST = {
    "protocolMode": "BIDI_STREAM",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "services": [
        {
            "name": "Rude",
            "ty": "SERVICE",
            "handlers": [{"name": "speak"}],
            "retryPolicyMaxAttempts": 2,
            "retryPolicyInitialInterval": 1,
            "retryPolicyOnMaxAttempts": "KILL",
        }
    ],
}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (encode_frame(0x0123, b""), "UnknownMessage: message type 0x0123"),
        (encode_frame(MessageType.RUN, b"\xff"), "MalformedMessage: Command: Run"),
        (encode_frame(MessageType.START, b""), "ProtocolViolation: a handler must not send Start"),
        (encode_frame(MessageType.RUN, b"")[:-1] + b"\xff", "FrameTruncated"),
    ],
    ids=["unknown", "malformed", "not allowed", "cut short"],
)
async def test_code_571(tmp_path: Path, words: bytes, says: str) -> None:
    attempts = 0

    async def app(scope, receive, send) -> None:
        nonlocal attempts
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"].endswith("discover"):
            await send({"type": "http.response.body", "body": json.dumps(MANIFEST).encode()})
        else:
            attempts += 1
            await send({"type": "http.response.body", "body": words, "more_body": True})

    async with Engine(EngineOptions(data_dir=tmp_path)) as engine:
        await engine.serve_app(AsgiTransport(app), "rude")
        invocation_id = random_invocation_id(engine.clock_ms(), bytes(18))
        async with asyncio.timeout(10):
            await engine.requests.invoke(invocation_id, Target("Rude", "speak"), b"")
            result = await engine.requests.result(invocation_id)

    assert isinstance(result, Failure)
    assert result.code == 571
    assert says in result.message
    assert attempts == 2
