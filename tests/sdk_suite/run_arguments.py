"""What a test gives to a run, put back for each attempt to what it was.

A handler makes the arguments of a run anew in each of its attempts. A test makes them once, and the SDK's
runner writes into some of them: into a RunState that is resumed, into the user's context through its tools.
"""

from __future__ import annotations

import asyncio
import threading
import types
from collections import deque
from typing import Any, get_args, get_origin

from agents import Agent, Model, Tool, agent_tool_state
from agents.memory import SessionABC

_CONTAINERS = (list, dict, set, deque, bytearray)
# What acts, or is the world outside of the run: a replay finds it as the attempt before has left it.
_LEFT_ALONE = (
    *(Agent, Model, SessionABC),
    *(get_origin(tool) or tool for tool in get_args(Tool)),
    *(type, types.ModuleType, types.FunctionType, types.MethodType),
    *(asyncio.Event, asyncio.Lock, asyncio.Future, asyncio.Queue, threading.Thread, threading.Event),
)


class RunArguments:
    """The mutable objects that can be reached from a run's input and context, as they are now.

    Beside a RunState, the SDK keeps the interrupted runs of agents as tools in its module `agent_tool_state`.
    """

    def __init__(self, *roots: Any) -> None:
        self._found: dict[int, tuple[Any, Any]] = {}
        module = vars(agent_tool_state)
        beside = [module[name] for name in module if "agent_tool" in name and type(module[name]) is dict]
        for root in (*roots, *beside):
            self._find(root)

    def put_back(self) -> None:
        """Give each of them what it held at first."""
        for holder, held in self._found.values():
            holder.clear()
            if isinstance(holder, dict | set):
                holder.update(held)
            else:
                holder.extend(held)

    def _find(self, value: Any) -> None:
        if id(value) in self._found or isinstance(value, _LEFT_ALONE):
            return
        if isinstance(value, _CONTAINERS):
            self._found[id(value)] = (value, value.copy())
            parts = [*value, *value.values()] if isinstance(value, dict) else list(value)
        elif isinstance(value, tuple):
            parts = list(value)
        elif type(getattr(value, "__dict__", None)) is dict:
            parts = [vars(value)]
        else:
            return
        for part in parts:
            self._find(part)
