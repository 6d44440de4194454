"""The child process: `python -m perdure.engine.introspection.worker DATA_FILE`.

Each line on standard input is a request, `{"query": ..., "json": bool}`. Each answer on standard output is a
line of JSON, and as many bytes as its `bytes` says: the result, or the message of what is wrong. It ends
with its input; and, since DataFusion's Python package cannot stop a query, when one takes too long.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from perdure.engine.introspection.encoding import as_arrow, as_json
from perdure.engine.introspection.processes import TIMED_OUT
from perdure.engine.introspection.session import Session
from perdure.errors import RequestError


def main(path: Path, time_limit_s: float) -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; it is for the engine to stop
    if hasattr(os, "nice"):
        os.nice(10)  # the engine and its handlers go first
    session: Session | None = None
    for line in sys.stdin.buffer:
        # It also ends what an engine left behind that was killed during a query.
        watchdog = threading.Timer(time_limit_s, os._exit, [TIMED_OUT])
        watchdog.daemon = True
        watchdog.start()
        try:
            session = session or Session(path)
            head, body = _answer(session, json.loads(line))
        except sqlite3.Error as error:
            head, body = {"status": 500}, str(error).encode()
        watchdog.cancel()
        sys.stdout.buffer.write(json.dumps({**head, "bytes": len(body)}).encode() + b"\n" + body)
        sys.stdout.buffer.flush()


def _answer(session: Session, request: dict[str, Any]) -> tuple[dict[str, object], bytes]:
    encode = as_json if request["json"] else as_arrow
    try:
        with closing(session.query(request["query"])) as batches:
            return {"status": 200}, encode(batches)
    except RequestError as refused:  # it may still be running, so this process has answered its last query
        return {"status": refused.status, "last": True}, refused.message.encode()
    except sqlite3.Error:
        raise
    except Exception as error:  # DataFusion raises bare Exceptions, ValueErrors and more
        return {"status": 400}, str(error).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
