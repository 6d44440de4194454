"""A chat: each conversation is a virtual object, and what was said is in its state.

    perdure up examples/chat/agent.py
    curl localhost:8080/Chat/ada/say --json '"My name is Ada."'
    curl localhost:8080/Chat/ada/say --json '"What is my name?"'
    curl localhost:8080/Chat/ada/history

Messages to one key are answered one after the other, to different keys at once. Kill the process whenever
you like: what was said is neither lost nor there twice.
"""

import restate
from agents import Agent, SessionSettings, TResponseInputItem, set_default_openai_api

from perdure import DurableRunner, DurableSession

set_default_openai_api("chat_completions")  # the API that every compatible server has

assistant = Agent(name="Assistant", instructions="You are a helpful assistant. Answer in one sentence.")
chat = restate.VirtualObject("Chat")


@chat.handler()
async def say(ctx: restate.ObjectContext, message: str) -> str:
    """Answer one message. The model sees the last 40 items of the conversation."""
    session = DurableSession(session_settings=SessionSettings(limit=40))
    return (await DurableRunner.run(assistant, message, session=session)).final_output


@chat.handler(kind="shared")
async def history(ctx: restate.ObjectSharedContext) -> list[TResponseInputItem]:
    """All that was said. It may be asked while an answer is being written."""
    return await DurableSession().get_items()


@chat.handler()
async def forget(ctx: restate.ObjectContext) -> None:
    """Start over."""
    await DurableSession().clear_session()


app = restate.app([chat])
