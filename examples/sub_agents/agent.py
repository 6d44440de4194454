"""An editor asks two agents at once, each of which uses a tool of its own: all of it in one journal.

perdure up examples/sub_agents/agent.py
curl localhost:8080/Editor/write --json '"The tide"'

An agent that is a tool (`as_tool`) runs durably like the agent that calls it: its model calls and tool calls
are entries of the same invocation, beside those of its sibling. A sub-agent may have sub-agents.
"""

import os
from pathlib import Path

import restate
from agents import Agent, function_tool

from perdure import DurableRunner
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

READ = Path(os.environ.get("READ_FILE", "read.txt"))


@function_tool
def read_book(title: str) -> str:
    """Read a book."""
    with READ.open("a") as read:
        read.write(f"{title}\n")
    return f"{title} says: the moon pulls the water."


def last_output(conversation: Input) -> str:
    outputs = [str(item["output"]) for item in conversation if "output" in item]  # type: ignore[index]
    return " ".join(outputs)


# They play models, so that the example needs no key. Without `model=` the SDK asks a real one.
researcher = Agent(
    name="Researcher",
    instructions="Find out the facts.",
    tools=[read_book],
    model=ScriptedModel([ToolCall("read_book", {"title": "The Sea"}), last_output]),
)
critic = Agent(
    name="Critic",
    instructions="Say what readers will ask.",
    tools=[read_book],
    model=ScriptedModel([ToolCall("read_book", {"title": "Questions"}), "They will ask why twice a day."]),
)
editor = Agent(
    name="Editor",
    instructions="Write a paragraph. Ask the researcher and the critic first.",
    tools=[
        researcher.as_tool("ask_researcher", "Ask for facts."),
        critic.as_tool("ask_critic", "Ask for questions."),
    ],
    model=ScriptedModel(
        [
            [ToolCall("ask_researcher", {"input": "tide"}), ToolCall("ask_critic", {"input": "tide"})],
            last_output,
        ]
    ),
)
service = restate.Service("Editor")


@service.handler()
async def write(ctx: restate.Context, topic: str) -> str:
    """Write one paragraph."""
    return str((await DurableRunner.run(editor, topic)).final_output)


app = restate.app([service])
