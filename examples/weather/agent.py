"""A weather agent of the plain OpenAI Agents SDK, made durable by the one line that runs it.

    perdure up examples/weather/agent.py
    curl localhost:8080/Agent/run --json '"What is the weather in Detroit?"'

Which model answers is the OpenAI SDK's own business: OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_DEFAULT_MODEL.
"""

import restate
from agents import Agent, function_tool, set_default_openai_api
from open_meteo import Weather, current_weather

from perdure import DurableRunner

set_default_openai_api("chat_completions")  # the API that every compatible server has


@function_tool
async def get_weather(city: str) -> Weather:
    """Get the current weather in a city."""
    return await current_weather(city)


weather = Agent(
    name="WeatherAgent",
    instructions="You are a helpful agent that provides weather updates.",
    tools=[get_weather],
)
service = restate.Service("Agent")


@service.handler()
async def run(ctx: restate.Context, message: str) -> str:
    """Answer one question."""
    return (await DurableRunner.run(weather, message)).final_output


app = restate.app([service])
