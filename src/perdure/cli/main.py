"""The `perdure` command: its commands, and the one place where an error becomes a line on stderr.

Nothing heavy is imported here: the agents SDK costs two seconds, and `perdure version` must not pay
them. Each command imports what it needs when it runs.
"""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from perdure.cli import (
    approvals,
    backup,
    chat,
    deployments,
    doctor,
    engine,
    event_log,
    gateway,
    handler_process,
    invocations,
    serve,
    services,
    sql,
    state,
    ui,
    up,
    vacuum,
    version,
)
from perdure.cli.exit_codes import FAILED, INTERRUPTED, exit_code_of
from perdure.cli.terminal import tell
from perdure.errors import PerdureError

app = typer.Typer(
    name="perdure",
    help="Durable agents: every model call, tool call and approval is journaled, and survives kill -9.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.command()(engine.engine)
app.command()(chat.chat)
app.command()(serve.serve)
app.command()(gateway.gateway)
app.command()(ui.ui)
app.command(hidden=True)(handler_process.handlers)
app.add_typer(invocations.app, name="invocations")
app.add_typer(approvals.app, name="approvals")
app.add_typer(services.app, name="services")
app.add_typer(deployments.app, name="deployments")
app.add_typer(state.app, name="state")
app.command()(sql.sql)
app.command()(event_log.logs)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(vacuum.vacuum)
app.command()(version.version)


def main() -> NoReturn:
    """Entry point."""
    _exit(run())


def run(arguments: Sequence[str] | None = None) -> object:
    """Run one command, of this process's own arguments by default, and return its exit code.

    A tell is one line on stderr; `PERDURE_TRACEBACK=1` shows the whole of it.
    """
    try:
        app(arguments, prog_name="perdure")
    except PerdureError as error:
        if os.environ.get("PERDURE_TRACEBACK"):
            traceback.print_exc()
        tell(error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ended:  # how typer ends every command
        return ended.code
    return 0


def _exit(code: object) -> NoReturn:
    """End the process without tearing the interpreter down; what must outlive it is on disk already.

    granian's threads may still wait for the GIL when their server has stopped. CPython ends such a thread by
    unwinding it, which Rust answers with a panic on stderr; or the last garbage collection never ends. Both
    were seen on busy machines.
    """
    atexit._run_exitfuncs()  # the user's telemetry is sent, child processes are joined
    if isinstance(code, str):  # a TARGET that calls sys.exit("why")
        print(code, file=sys.stderr)
        code = FAILED
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # a full disk, or `perdure ... | head`
            code = code or FAILED
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
