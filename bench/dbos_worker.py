"""DBOS on SQLite under the same load. Runs in a venv of its own (build/bench-venv), not in Perdure's.

Speaks lines of JSON over its pipes: in `{"invocations": n, "steps": m}`, out `{"seconds": s}`. Workflows are
started in process, without the HTTP that the other contenders go through: to its advantage.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from dbos import DBOS


@DBOS.step()
async def step() -> int:
    return 1


@DBOS.workflow()
async def steps(count: int) -> int:
    done = 0
    for _ in range(count):
        done += await step()
    return done


async def run(invocations: int, count: int) -> float:
    begin = time.perf_counter()
    handles = [await DBOS.start_workflow_async(steps, count) for _ in range(invocations)]
    results = [await handle.get_result() for handle in handles]
    seconds = time.perf_counter() - begin
    assert results == [count] * invocations, results
    return seconds


async def serve() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        load = json.loads(line)
        seconds = await run(load["invocations"], load["steps"])
        print(json.dumps({"seconds": seconds}), flush=True)


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
