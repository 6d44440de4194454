"""llama.cpp's own OpenAI-compatible server, in a child process, with settings that suit the small model.

The child prints its address when the model is loaded, and ends when its standard input does: whichever way
the parent goes, even by SIGKILL, no server stays behind.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL_NAME = "qwen2.5-coder-0.5b-instruct"
CHAT_TEMPLATE = Path(__file__).with_name("chat-template.jinja")


class ModelServerFailed(Exception):
    """The server ended before it had an address; the message holds the end of its log."""


@contextmanager
def serve(weights: Path, log: Path) -> Iterator[str]:
    """Serve `weights` for the length of the block; gives the base URL of its API.

    Raises ModelServerFailed when xllamacpp is missing, needs another processor or cannot read the file.
    """
    with log.open("w") as log_file:
        child = subprocess.Popen(
            [sys.executable, __file__, weights],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
        )
    assert child.stdout is not None
    try:
        address = child.stdout.readline().strip()
        if not address:
            raise ModelServerFailed(
                f"The local model's server ended with code {child.wait()}:\n{log.read_text()[-1500:]}\n"
                "Use another model: set OPENAI_API_KEY, or OPENAI_BASE_URL and OPENAI_DEFAULT_MODEL."
            )
        yield f"{address}/v1"
    finally:
        child.kill()  # it has nothing to save
        child.wait()


def main(weights: str) -> None:
    """Be the server until standard input ends."""
    import xllamacpp  # of examples/requirements.txt; only this child needs it

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    parameters = xllamacpp.CommonParams()
    parameters.model.path = weights
    parameters.model_alias = {MODEL_NAME}
    parameters.chat_template = CHAT_TEMPLATE.read_text()  # the one inside the file makes no tool calls
    parameters.use_jinja = True
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.ui = False
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    parameters.cache_ram_mib = 0
    # One core stays free. The threads spin while they wait for each other, so with a thread on every core
    # whatever else runs makes them slow out of all proportion: on 2 cores with 2 busy neighbours, 2 threads
    # took 136 s for what takes them 14 s alone; 1 thread took 28 s, and 20 s alone.
    parameters.cpuparams.n_threads = max(1, min(4, (os.cpu_count() or 1) - 1))
    parameters.cpuparams_batch.n_threads = parameters.cpuparams.n_threads
    # For requests that ask for nothing else, so that the agent needs no settings for this one model: always
    # the likeliest token; and a limit, for without one a model this small may ramble for minutes.
    parameters.sampling.temp = 0.0
    parameters.n_predict = 120
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # a server that is destroyed just after its start waits for its own threads for ever


if __name__ == "__main__":
    main(sys.argv[1])
