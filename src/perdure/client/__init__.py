"""Call handlers, and read their streams, from any asyncio program: through restarts and broken connections.

    async with Client("http://127.0.0.1:8080") as client:
        print(await client.call("Chat/say", "Hello", key="ada"))

It talks HTTP to an ingress: the embedded engine's, `perdure gateway`'s or, but for streams, restate-server's
own.
"""

from perdure.client.backoff import Backoff
from perdure.client.client import Client
from perdure.client.references import ByIdempotencyKey, SendHandle, WorkflowRun
from perdure.errors import ConnectionLost, InvocationFailed, NotCompleted, RequestError, StreamGap
from perdure.streams.assemble import Text, TextChange
from perdure.streams.events import StreamEvent

__all__ = [
    "Backoff",
    "ByIdempotencyKey",
    "Client",
    "ConnectionLost",
    "InvocationFailed",
    "NotCompleted",
    "RequestError",
    "SendHandle",
    "StreamEvent",
    "StreamGap",
    "Text",
    "TextChange",
    "WorkflowRun",
]
