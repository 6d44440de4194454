"""The ingress of the engine that the UI shows: handlers are called there, and followed."""

from __future__ import annotations

import httpx2

from perdure.client import Backoff, Client
from perdure.inspection.admin_api import AdminApi

# Who looks at a page is told soon, and the browser that watches a run comes back by itself.
_BACKOFF = Backoff(give_up_after_s=1)


class Ingress:
    """At the address that the admin API tells."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api
        self._client: tuple[str, Client] | None = None

    async def url(self) -> str:
        """Raises EngineUnreachable."""
        return (await self._api.about()).ingress_url

    async def is_perdure(self) -> bool:
        """Whether it is sure to have streams. Raises EngineUnreachable."""
        return (await self._api.about()).is_perdure

    async def client(self) -> Client:
        """It keeps no idle connection, so nobody has to close it. Raises EngineUnreachable."""
        url = await self.url()
        if self._client is None or self._client[0] != url:  # an engine may come back as another one
            http = httpx2.AsyncClient(
                limits=httpx2.Limits(max_keepalive_connections=0),
                verify=url.startswith(
                    "https:"
                ),  # to read the certificates takes long, and is for those alone
            )
            self._client = url, Client(url, http=http, backoff=_BACKOFF)
        return self._client[1]
