"""A story, read while it is written.

    perdure up examples/streaming/agent.py
    curl -N localhost:8080/Story/tell --json '"a lighthouse"' -H 'accept: text/event-stream'

Every call answers with an id (`x-restate-id`). With it the story is read again from the start, or from
wherever, by any number of readers, while it is written and afterwards:

    curl -N "localhost:8080/restate/invocation/$ID/stream?view=text"

Kill the process in the middle of a sentence and start it again: the model is asked again, and the reader is
told which words to drop.
"""

import restate
from agents import Agent, Runner, set_default_openai_api

from perdure.openai import durable

set_default_openai_api("chat_completions")  # the API that every compatible server has

teller = Agent(name="Teller", instructions="You tell short stories. Answer with a story of ten sentences.")
story = restate.Service("Story")


@story.handler()
@durable
async def tell(ctx: restate.Context, about: str) -> str:
    """Tell a story. Who reads the stream of the invocation hears it word by word."""
    result = Runner.run_streamed(teller, about)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


app = restate.app([story])
