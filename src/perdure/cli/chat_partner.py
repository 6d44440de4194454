"""Who in an ingress can be talked to: its OpenAI-compatible door lists them."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2

from perdure.errors import CommandError, EngineUnreachable


@dataclass(frozen=True, slots=True)
class Partner:
    """A handler that takes a text. keyed: of a virtual object, whose key is the conversation."""

    target: str
    keyed: bool

    def matches(self, service: str | None, handler: str | None) -> bool:
        of, _, name = self.target.partition("/")
        return service in (None, of) and handler in (None, name)


async def find_partner(ingress: str, service: str | None, handler: str | None, key: str | None) -> Partner:
    """The one handler that takes a text, among those named. Raises CommandError unless it is one."""
    known = await _partners(ingress)
    if known is None:  # restate-server itself: it does not say
        if service is None or handler is None:
            raise CommandError(f"{ingress} does not tell its agents: name one with --service and --handler")
        return Partner(f"{service}/{handler}", keyed=key is not None)
    found = [partner for partner in known if partner.matches(service, handler)]
    if len(found) == 1:
        return found[0]
    if not found:
        there_is = ", ".join(partner.target for partner in known) or "none"
        raise CommandError(f"no such handler takes a text at {ingress}; there is: {there_is}")
    targets = ", ".join(partner.target for partner in found)
    raise CommandError(f"several handlers take a text: {targets}; choose with --service and --handler")


async def _partners(ingress: str) -> list[Partner] | None:
    """None: what answers has no such door."""
    try:
        async with httpx2.AsyncClient(timeout=10) as http:
            response = await http.get(f"{ingress.rstrip('/')}/v1/models")
    except httpx2.TransportError as error:
        raise EngineUnreachable(f"nothing answers at {ingress}: {error}") from error
    if not response.is_success:
        return None
    models = [model.get("perdure") for model in response.json()["data"]]
    return [Partner(told["target"], told["keyed"]) for told in models if told and told["takes_text"]]
