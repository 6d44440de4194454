"""What the admin API cannot do: complete an awakeable, which is the ingress's."""

from __future__ import annotations

import httpx2

from perdure.errors import EngineUnreachable, RequestError

_TIMEOUT = httpx2.Timeout(30, connect=5)


async def resolve_awakeable(ingress: str, awakeable_id: str, body: bytes) -> None:
    """Resolve it with a body of JSON. The first to do so counts, and the engine does not say who that was.

    ingress: `host:port` or a URL.

    Raises EngineUnreachable if no ingress answers there, RequestError if it refuses.
    """
    url = (ingress if "://" in ingress else f"http://{ingress}").rstrip("/")
    path = f"/restate/awakeables/{awakeable_id}/resolve"
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT) as http:
            response = await http.post(url + path, content=body, headers={"content-type": "application/json"})
    except httpx2.TransportError as error:
        raise EngineUnreachable(f"cannot reach the engine's ingress at {url}: is --ingress right?") from error
    if response.status_code >= 400:
        raise RequestError(response.status_code, response.text)
