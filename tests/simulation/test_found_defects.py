"""Defects that the simulator found, each as the short story of what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import handler_frames as says
import pytest

from perdure.engine.core.model import Target
from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.transport.port import Conversation, Discovered, Listener
from perdure.protocol import ids
from perdure.protocol.frames import FrameDecoder
from perdure.protocol.messages import MessageType

pytestmark = pytest.mark.anyio

INVOCATION = ids.encode_invocation_id(bytes(24))


class Attempts:
    """A deployment with one handler. `heard` has the types of the frames of each attempt."""

    is_local = True

    def __init__(self) -> None:
        self.heard: list[list[int]] = []
        self.engines_ends: list[Listener] = []

    async def discover(self) -> Discovered:
        services = [{"name": "Svc", "ty": "SERVICE", "handlers": [{"name": "run"}]}]
        versions = {"minProtocolVersion": 5, "maxProtocolVersion": 7}
        manifest = {"protocolMode": "BIDI_STREAM", "services": services, **versions}
        return Discovered(json.dumps(manifest).encode(), None)

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        headers: Mapping[str, str],
        listener: Listener,
    ) -> Conversation:
        self.heard.append([])
        self.engines_ends.append(listener)
        return _HandlersEnd(self.heard[-1])


class _HandlersEnd:
    def __init__(self, heard: list[int]) -> None:
        self._heard = heard
        self._decoder = FrameDecoder()

    def write(self, data: bytes) -> None:
        self._heard += [frame.type for frame in self._decoder.feed(data)]

    def write_eof(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def test_a_notification_in_the_same_commit_as_the_start_of_an_attempt_is_heard_once(
    tmp_path: Path,
) -> None:
    """A back-off and a sleep end together: the attempt replays the sleep's end, and must not get it again."""
    now_ms = 1_700_000_000_000
    attempts = Attempts()
    async with Engine(EngineOptions(data_dir=tmp_path), clock_ms=lambda: now_ms) as engine:
        await engine.serve_app(attempts, "test")
        await engine.requests.invoke(INVOCATION, Target("Svc", "run"), b"")
        attempts.engines_ends[0].received(says.sleep(1, now_ms + 500))
        attempts.engines_ends[0].closed("connection reset")
        engine.flush()

        now_ms += 500
        assert len(engine.store.timers.due(now_ms, 10)) == 2
        engine.clock_was_set()
        assert len(attempts.heard) == 2
        assert attempts.heard[1].count(MessageType.SLEEP_COMPLETION) == 1
