"""How a handler finds where to publish."""

from __future__ import annotations

from perdure.streams import sink
from perdure.streams.append import Batch


class Nowhere:
    attempt = 1

    async def append(self, stream: str, batch: Batch) -> None:
        """Nobody reads."""


def test_a_handler_in_the_process_of_the_engine_finds_its_sink_while_the_attempt_lasts() -> None:
    nowhere = Nowhere()
    header = sink.register("token", nowhere)
    assert sink.local(header) is nowhere
    sink.forget("token")
    assert sink.local(header) is None
    assert sink.local("http://engine/streams;token") is None
