"""A pytest plugin for the Agents SDK's own tests: each `Runner.run` of a test is one durable invocation.

It is loaded into a pytest of its own (`-p durable_runs`), with the folder of this file on the path. What a
test gives to `Runner.run` lives in its process, so arguments and results go by reference, beside the engine.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import Runner
from agents.run import AgentRunner
from run_arguments import RunArguments

PLAIN, LIVE, REPLAYED = "plain", "live", "replayed"
MODE = os.environ.get("SDK_SUITE_MODE", PLAIN)
RESULTS = os.environ.get("SDK_SUITE_RESULTS")
ONLY = os.environ.get("SDK_SUITE_ONLY")
TIMEOUT_S = 25.0

_run = AgentRunner.run
_run_streamed = AgentRunner.run_streamed
# How often the test that runs now called the SDK's runner, and how: see `Results` in report.py.
_seen = {"runs": 0, "streams": 0, "sandboxes": 0}


async def run(self: AgentRunner, starting_agent: Any, input: Any, **options: Any) -> Any:  # noqa: A002
    """`AgentRunner.run`, which every door to a run that is not streamed goes through."""
    _seen["runs"] += 1
    config = options.get("run_config")
    config = config if isinstance(config, dict) else vars(config or object)
    _seen["sandboxes"] += config.get("sandbox") is not None
    if MODE == PLAIN or _is_durable_already():
        return await _run(self, starting_agent, input, **options)
    return await Invocation(starting_agent, input, options).result()


def _is_durable_already() -> bool:
    from perdure.durable import on_deterministic_loop
    from perdure.durable.context import enclosing_step

    return on_deterministic_loop() or enclosing_step() is not None


def run_streamed(self: AgentRunner, starting_agent: Any, input: Any, **options: Any) -> Any:  # noqa: A002
    """`AgentRunner.run_streamed`, counted."""
    _seen["streams"] += 1
    return _run_streamed(self, starting_agent, input, **options)


class SdkRunner(Runner):
    """The SDK's runner, for DurableRunner: a test may have put a function of its own in the place of
    `Runner.run`, which has been called already."""

    run = classmethod(Runner.run.__func__)  # type: ignore[attr-defined, assignment]


class Invocation:
    """One call of `Runner.run`, made in a handler on an engine of its own."""

    def __init__(self, starting_agent: Any, given: Any, options: dict[str, Any]) -> None:
        self._agent, self._given, self._options = starting_agent, given, options
        self._variables = contextvars.copy_context()
        self._arguments = RunArguments(given, options.get("context"))
        self._outcome: asyncio.Future[Any] | None = None

    async def result(self) -> Any:
        """What the run returned or raised, in the last of its attempts."""
        import same_errors

        from perdure.errors import RequestError
        from perdure.openai import runner
        from perdure.testing import harness

        same_errors.remember()
        runner.Runner = SdkRunner  # type: ignore[misc]
        # Time is not skipped where nothing is to be replayed: for that, an attempt that sleeps is suspended.
        replay = MODE == REPLAYED
        async with harness(self._service(), always_replay=replay, skip_time=replay, timeout_s=TIMEOUT_S) as h:
            invocation = await h.send("SdkSuite/run")
            try:
                await h.attach(invocation)
            except asyncio.CancelledError:  # the test cancels its run
                with suppress(RequestError):  # it has just ended
                    await h.cancel(invocation)
                await h.attach(invocation)
        assert self._outcome is not None
        if (error := self._outcome.exception()) is not None:
            raise same_errors.as_raised(error)
        return self._outcome.result()

    def _service(self) -> Any:
        once = restate.InvocationRetryPolicy(max_attempts=1, on_max_attempts="kill")
        service = restate.Service("SdkSuite", invocation_retry_policy=once)

        @service.handler("run")
        async def attempt(ctx: restate.Context) -> None:
            self._arguments.put_back()
            for variable, value in self._variables.items():
                variable.set(value)
            await self._attempt(ctx)

        return service

    async def _attempt(self, ctx: Any) -> None:
        from perdure import DurableRunner, durable
        from perdure.openai.options import DurableOptions

        as_the_sdk = DurableOptions(approvals="return")
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def main() -> None:
            try:
                result = await DurableRunner.run(
                    self._agent, self._given, options=as_the_sdk, **self._options
                )
                outcome.set_result(result)
            except (Exception, asyncio.CancelledError) as error:
                outcome.set_exception(error)

        try:
            await durable.run(ctx, main)
        except Exception as error:
            if "restate" in type(error).__module__ and type(error).__name__ != "TerminalError":
                raise
            outcome = asyncio.get_running_loop().create_future()
            outcome.set_exception(error)
        self._outcome = outcome


# ---- what pytest calls


def pytest_configure(config: pytest.Config) -> None:
    AgentRunner.run = run  # type: ignore[method-assign]
    AgentRunner.run_streamed = run_streamed  # type: ignore[method-assign]
    if RESULTS and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(RESULTS)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that are named in the file of SDK_SUITE_ONLY."""
    if ONLY is not None:
        wanted = set(Path(ONLY).read_text().splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
        items[:] = [item for item in items if item.nodeid in wanted]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _seen.update(dict.fromkeys(_seen, 0))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = yield
    report.sdk_suite = dict(_seen)
    return report


class Results:
    """One line of JSON for each test, in the order in which they end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._tests.setdefault(
            report.nodeid, {"test": report.nodeid, "outcome": "passed", "why": "", **dict.fromkeys(_seen, 0)}
        )
        test.update(getattr(report, "sdk_suite", {}))
        if report.failed or report.skipped:
            test["outcome"], test["why"] = report.outcome, _why(report)
        if report.when == "teardown":
            self._write(self._tests.pop(report.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            why = _why(report)
            self._write(
                {"test": report.nodeid, "outcome": "not collected", "why": why, **dict.fromkeys(_seen, 0)}
            )

    def _write(self, test: dict[str, Any]) -> None:
        self._file.write(json.dumps(test) + "\n")
        self._file.flush()


def _why(report: Any) -> str:
    """The reason of a skip, or the last line of an error, in one line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(str(crash.message if crash else report.longrepr).split())[:400]
