"""Run a durable agent, kill it with SIGKILL, watch it resume, and check the counts: `make demo`.

The demo's own process holds what must outlive the kill: the model, and a counting proxy before the model
and one before the weather service. The kill lands while the tool runs, not by luck: the proxy keeps the
tool's request waiting until its caller is dead.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from examples.weather.open_meteo import FORECAST_URL, GEOCODING_URL

from .counting_proxy import CountingProxy
from .evidence import Evidence, Run
from .model import Model, chosen_model
from .perdure_up import PerdureFailed, PerdureUp

QUESTIONS = "What is the weather in Detroit?", "What is the weather in Tampa?"
ARRIVAL_TIMEOUT_S = 120  # of the tool's request: the model call before it takes as long as the model does

console = Console(highlight=False)


def main() -> int:
    """Tell the story; 0 if every word of it is true."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child processes end with this one
    folder = Path(tempfile.mkdtemp(prefix="perdure-demo-"))
    try:
        with ExitStack() as stack:
            evidence = _story(stack, folder)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        console.print(f"[red]the demo failed:[/] {type(error).__name__}")
        _say(f"{error}\nits logs are in {folder}")
        return 1
    if untrue := evidence.untrue():
        for claim in untrue:
            _say(f"not so: {claim}")
        _say(f"the logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    for line in evidence.summary():
        _say(line)
    return 0


def _story(stack: ExitStack, folder: Path) -> Evidence:
    model = stack.enter_context(chosen_model(console, folder / "model.log"))
    own_weather = os.environ.get("WEATHER_API_URL")
    places = {"/v1/search": own_weather or GEOCODING_URL, "/v1/forecast": own_weather or FORECAST_URL}
    model_proxy = stack.enter_context(CountingProxy({"/": model.base_url}, counted=["/chat/completions"]))
    weather_proxy = stack.enter_context(CountingProxy(places, counted=["/v1/search"]))
    perdure = PerdureUp(folder, _environ(model, model_proxy, weather_proxy))
    stack.callback(perdure.stop)
    evidence = Evidence(model_proxy, weather_proxy)

    _say(f"model: {model.about}")
    with console.status("perdure up examples/weather/agent.py"):
        perdure.start()
    _answer_a_question(perdure, evidence)
    _survive_sigkill(perdure, evidence)
    return evidence


def _environ(model: Model, model_proxy: CountingProxy, weather_proxy: CountingProxy) -> dict[str, str]:
    environ = {
        "OPENAI_BASE_URL": model_proxy.url,
        "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY") or "none",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",  # it would send the runs to OpenAI, whosever model this is
        "WEATHER_API_URL": weather_proxy.url,
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"])),
    }
    return environ | ({"OPENAI_DEFAULT_MODEL": model.name} if model.name else {})


def _answer_a_question(perdure: PerdureUp, evidence: Evidence) -> None:
    console.print()
    console.rule("A durable agent answers", align="left")
    question = QUESTIONS[0]
    _say(f"$ curl {perdure.ingress}/Agent/run --json '\"{question}\"'")
    with console.status("the agent is at work"):
        invocation_id, answer = perdure.ask(question)
    evidence.first_finished(answer, perdure.steps(invocation_id))
    _show(perdure, invocation_id, evidence.first)


def _survive_sigkill(perdure: PerdureUp, evidence: Evidence) -> None:
    console.print()
    console.rule("Another one is killed while its tool runs", align="left")
    question = QUESTIONS[1]
    tool_runs = evidence.weather.hold_next()
    _say(f"$ curl {perdure.ingress}/Agent/run/send --json '\"{question}\"'")
    invocation_id = perdure.send(question)
    with console.status("waiting until the tool runs"):
        if not tool_runs.wait(ARRIVAL_TIMEOUT_S):
            raise PerdureFailed("get_weather was not called; the model has to call it for this demo")
        steps = _steps_once_recorded(perdure, invocation_id)
        process_id = perdure.sigkill()
    evidence.killed(steps)
    _say(f"get_weather waits for its answer; journaled so far: {', '.join(steps)}")
    _say(f"$ kill -9 {process_id}\n$ perdure up examples/weather/agent.py")
    with console.status("the agent goes on by itself"):
        perdure.start()
        answer = perdure.attach(invocation_id)
    evidence.second_finished(answer, perdure.steps(invocation_id))
    _show(perdure, invocation_id, evidence.second)
    console.print()
    console.rule("What was counted, outside of the process that died", align="left")


def _steps_once_recorded(perdure: PerdureUp, invocation_id: str) -> list[str]:
    """The recorded steps, once the model call that asked for the tool is among them."""
    deadline_s = time.monotonic() + 10
    while not (steps := perdure.steps(invocation_id)):
        if time.monotonic() > deadline_s:
            raise PerdureFailed("the tool runs, but the model call that asked for it is in no journal")
        time.sleep(0.05)
    return steps


def _show(perdure: PerdureUp, invocation_id: str, run: Run) -> None:
    console.print(Panel.fit(Text(run.answer), style="bold"))
    for weather in run.told:
        _say(f"get_weather said: {weather}")
        if "recorded observation" in weather:
            console.print("[yellow]The network is closed here: that weather is a recorded observation.[/]")
    _say(f"\n$ perdure invocations describe {invocation_id}")
    perdure.describe(invocation_id)


def _say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)  # as it is: an answer may hold [brackets] or be long


if __name__ == "__main__":
    sys.exit(main())
