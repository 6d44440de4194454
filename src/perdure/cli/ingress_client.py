"""Client of the ingress, for what the admin API cannot do: completing awakeables."""

from __future__ import annotations

from pyqwest import ReadError, RemoteProtocolError, SyncClient, SyncHTTPTransport, WriteError

from perdure.errors import EngineUnreachable, RequestError

_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0


def resolve_awakeable(ingress: str, awakeable_id: str, body: bytes) -> None:
    """Resolve it with a body of JSON. The first to do so counts, and the engine does not say who that was.

    ingress: `host:port` or a URL.

    Raises EngineUnreachable if no ingress answers there, RequestError if it refuses.
    """
    base = (ingress if "://" in ingress else f"http://{ingress}").rstrip("/")
    transport = SyncHTTPTransport(
        connect_timeout=_CONNECT_TIMEOUT_S,
        tls_include_system_certs=base.startswith("https:"),
        use_system_dns=True,
    )
    try:
        response = SyncClient(transport).post(
            f"{base}/restate/awakeables/{awakeable_id}/resolve",
            headers={"content-type": "application/json"},
            content=body,
            timeout=_TIMEOUT_S,
        )
    except (OSError, ReadError, WriteError, RemoteProtocolError) as error:
        raise EngineUnreachable(
            f"cannot reach the engine's ingress at {base}: is --ingress right?"
        ) from error
    finally:
        transport.close()
    if response.status >= 400:
        raise RequestError(response.status, response.text())
