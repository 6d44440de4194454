"""`perdure up` of the weather agent: a child process to be killed and restarted, and its HTTP side."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2

PERDURE = Path(sys.executable).with_name("perdure")
AGENT = Path(__file__).parents[1] / "weather" / "agent.py"
START_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 120


class PerdureFailed(Exception):
    """The process did not start, or an invocation did not answer."""


class PerdureUp:
    """One engine with the weather agent in it. Ports and data directory stay the same over restarts."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.ingress, self.admin = _free_address(), _free_address()
        self._log = folder / "perdure-up.log"
        own = {
            "PERDURE_INGRESS": self.ingress,
            "PERDURE_ADMIN": self.admin,
            "PERDURE_DATA_DIR": str(folder / "data"),
        }
        self._environ = {**os.environ, **environ, **own}
        self._http = httpx2.Client(timeout=ANSWER_TIMEOUT_S, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and return when its ingress is healthy. Raises PerdureFailed."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PERDURE, "up", AGENT], env=self._environ, stdout=log, stderr=log
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                end = self._log.read_text()[-2000:]
                raise PerdureFailed(f"perdure up is not healthy; the end of its log:\n{end}")
            time.sleep(0.05)

    def sigkill(self) -> int:
        """End the process as a power cut would. Gives its process id."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        if (code := self._process.wait(10)) != -signal.SIGKILL:
            raise PerdureFailed(f"perdure up ended with code {code} before it was killed")
        return self._process.pid

    def stop(self) -> None:
        """End the process in order, if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def ask(self, question: str) -> tuple[str, str]:
        """Call the agent and wait: the invocation's id and the answer."""
        response = self._http.post(f"http://{self.ingress}/Agent/run", json=question)
        return response.headers["x-restate-id"], self._answer(response)

    def send(self, question: str) -> str:
        """Call the agent without waiting: the invocation's id."""
        response = self._http.post(f"http://{self.ingress}/Agent/run/send", json=question)
        return str(self._ok(response).json()["invocationId"])

    def attach(self, invocation_id: str) -> str:
        """Wait for the answer of an invocation that somebody else started."""
        url = f"http://{self.ingress}/restate/invocation/{invocation_id}/attach"
        return self._answer(self._http.get(url))

    def steps(self, invocation_id: str) -> list[str]:
        """The names of the steps in the journal of an invocation that are recorded with their result."""
        invocation = self._ok(self._http.get(f"http://{self.admin}/invocations/{invocation_id}")).json()
        runs = [entry for entry in invocation["journal"] if entry["entry_type"] == "Command: Run"]
        return [entry["name"] for entry in runs if entry["completed"]]

    def describe(self, invocation_id: str) -> None:
        """Print the journal of an invocation, as anybody would on a terminal."""
        sys.stdout.flush()
        subprocess.run([PERDURE, "invocations", "describe", invocation_id], env=self._environ, check=True)

    def _healthy(self) -> bool:
        try:
            return self._http.get(f"http://{self.ingress}/restate/health", timeout=5).is_success
        except httpx2.TransportError:
            return False

    def _answer(self, response: httpx2.Response) -> str:
        return str(self._ok(response).json())

    def _ok(self, response: httpx2.Response) -> httpx2.Response:
        if not response.is_success:
            raise PerdureFailed(f"{response.request.url} answered {response.status_code}: {response.text}")
        return response


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"
