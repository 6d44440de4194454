"""The current weather of a city: Open-Meteo's, or, where the network is closed, an observation of the past.

Open-Meteo needs no key. Its two hosts, one that finds places and one that knows their weather, are replaced
by one server of your own with WEATHER_API_URL. An observation of the past always says so, in `source`.
"""

import json
import os
from pathlib import Path
from typing import Any, TypedDict

import httpx2

GEOCODING_URL = "https://geocoding-api.open-meteo.com"
FORECAST_URL = "https://api.open-meteo.com"
RECORDED = Path(__file__).with_name("recorded_observations.json")

# The WMO weather interpretation codes that Open-Meteo uses.
SKY = {
    0: "clear",
    1: "mostly clear",
    2: "partly cloudy",
    3: "overcast",
    **dict.fromkeys((45, 48), "foggy"),
    **dict.fromkeys((51, 53, 55), "drizzle"),
    **dict.fromkeys((56, 57), "freezing drizzle"),
    **dict.fromkeys((61, 63, 65), "rain"),
    **dict.fromkeys((66, 67), "freezing rain"),
    **dict.fromkeys((71, 73, 75, 77), "snow"),
    **dict.fromkeys((80, 81, 82), "rain showers"),
    **dict.fromkeys((85, 86), "snow showers"),
    **dict.fromkeys((95, 96, 99), "thunderstorm"),
}


class Weather(TypedDict):
    """What the model is told. The temperature is in whole degrees Celsius."""

    city: str
    temperature_c: int
    sky: str
    source: str


class Unreachable(Exception):
    """There is no way to Open-Meteo from here. Anything else that goes wrong with it is an error."""


async def current_weather(city: str) -> Weather:
    """The weather in `city` now; or, when Open-Meteo is out of reach, one that was recorded there.

    Raises LookupError for a city that is unknown (or, without a network, of which nothing was recorded).
    """
    try:
        async with httpx2.AsyncClient(timeout=httpx2.Timeout(20, connect=3)) as client:
            return await _ask_open_meteo(client, city)
    except Unreachable as why:
        return _recorded(city, why)


async def _ask_open_meteo(client: httpx2.AsyncClient, city: str) -> Weather:
    own_server = os.environ.get("WEATHER_API_URL")
    search = await _get(client, f"{own_server or GEOCODING_URL}/v1/search", {"name": city, "count": 1})
    if not search.get("results"):
        raise LookupError(f"Open-Meteo knows no place called {city!r}")
    place = search["results"][0]
    wanted = {
        "latitude": place["latitude"],
        "longitude": place["longitude"],
        "current": "temperature_2m,weather_code",
    }
    forecast = await _get(client, f"{own_server or FORECAST_URL}/v1/forecast", wanted)
    now = forecast["current"]
    return Weather(
        city=place["name"],
        temperature_c=round(now["temperature_2m"]),
        sky=SKY.get(now["weather_code"], "unknown"),
        source=f"Open-Meteo, {now['time']} GMT",
    )


async def _get(client: httpx2.AsyncClient, url: str, params: dict[str, str | int | float]) -> dict[str, Any]:
    try:
        response = await client.get(url, params=params)
    except httpx2.TransportError as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error
    if response.status_code in (502, 503, 504):  # a proxy on the way finds the network closed
        raise Unreachable(f"{response.status_code} {response.text}")
    found: dict[str, Any] = response.raise_for_status().json()
    return found


def _recorded(city: str, why: Unreachable) -> Weather:
    observations = json.loads(RECORDED.read_text())["observations"]
    found = next((name for name in observations if name.lower() == city.split(",")[0].strip().lower()), None)
    if found is None:
        known = ", ".join(observations)
        raise LookupError(f"Open-Meteo is out of reach ({why}); recorded are only {known}, not {city}")
    seen = observations[found]
    return Weather(
        city=found,
        temperature_c=round(seen["temperature_c"]),
        sky=seen["sky"],
        source=f"recorded observation of {seen['observed_at']} at {seen['station']}, the network is closed",
    )
