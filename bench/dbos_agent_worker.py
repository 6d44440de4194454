"""The agent on `dbos-openai-agents` and SQLite. Runs in build/bench-venv, speaks JSON lines over its pipes.

In `{"turns": n, "tools": m}`, out `{"seconds": s, "bytes": b}`: the time of one workflow, started in process,
and what its recorded steps take in the database.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time

from agent_script import Script, agent, turns_max
from agents import function_tool, set_tracing_disabled
from dbos import DBOS
from dbos_openai_agents import DBOSRunner

set_tracing_disabled(True)


@function_tool
@DBOS.step()
async def work() -> str:
    """Work."""
    return "done"


durable_agent = agent(work, Script())


@DBOS.workflow()
async def durable(text: str, turns: int) -> str:
    return str((await DBOSRunner.run(durable_agent, text, max_turns=turns)).final_output)


def _bytes(workflow: str) -> int:
    with sqlite3.connect(f"{sys.argv[1]}/dbos.sqlite") as database:
        query = "SELECT sum(length(output)) FROM operation_outputs WHERE workflow_uuid = ?"
        return int(database.execute(query, (workflow,)).fetchone()[0] or 0)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        begin = time.perf_counter()
        handle = await DBOS.start_workflow_async(durable, line, turns_max(json.loads(line)))
        await handle.get_result()
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "bytes": _bytes(handle.get_workflow_id())}), flush=True)


if __name__ == "__main__":
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{sys.argv[1]}/dbos.sqlite",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    asyncio.run(serve())
    DBOS.destroy()
