"""The weather that the tool gives: live, recorded where the network is closed, and never pretended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from examples.weather.open_meteo import RECORDED, current_weather

if TYPE_CHECKING:
    from .conftest import OpenMeteo, Serve

pytestmark = pytest.mark.anyio


async def test_live_weather_is_that_of_the_place_with_that_name(
    serve: Serve, open_meteo: OpenMeteo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_API_URL", serve(open_meteo.app))
    assert await current_weather("Tampa") == {
        "city": "Tampa",
        "temperature_c": 30,
        "sky": "thunderstorm",
        "source": "Open-Meteo, 2026-11-23T01:15 GMT",
    }
    assert (await current_weather("Detroit"))["temperature_c"] == 22
    assert open_meteo.asked == ["Tampa", "Detroit"]


async def test_closed_network_gives_the_recorded_observation_and_says_so(
    closed_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_API_URL", closed_address)
    seen = json.loads(RECORDED.read_text())["observations"]["Detroit"]
    weather = await current_weather("detroit, MI")
    assert weather["temperature_c"] == seen["temperature_c"]
    assert weather["sky"] == seen["sky"]
    assert weather["source"].startswith(f"recorded observation of {seen['observed_at']} at {seen['station']}")


async def test_gateway_that_cannot_reach_open_meteo_is_a_closed_network(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Starlette(routes=[Route("/v1/search", lambda _: PlainTextResponse("out of reach", 502))])
    monkeypatch.setenv("WEATHER_API_URL", serve(gateway))
    assert (await current_weather("Tampa"))["source"].startswith("recorded observation of ")


async def test_failure_of_the_service_itself_is_an_error_and_no_observation_hides_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Starlette(routes=[Route("/v1/search", lambda _: PlainTextResponse("oops", 500))])
    monkeypatch.setenv("WEATHER_API_URL", serve(broken))
    with pytest.raises(httpx2.HTTPStatusError):
        await current_weather("Tampa")


async def test_unknown_place_is_an_error(
    serve: Serve, open_meteo: OpenMeteo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_API_URL", serve(open_meteo.app))
    with pytest.raises(LookupError, match="knows no place called 'Nowhere'"):
        await current_weather("Nowhere")


async def test_closed_network_and_nothing_recorded_names_what_is_recorded(
    closed_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_API_URL", closed_address)
    with pytest.raises(LookupError, match=r"out of reach .* recorded are only .*Detroit.*, not Oslo"):
        await current_weather("Oslo")
