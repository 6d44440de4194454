"""What the exit code of a command says, and the errors that map to each.

0    done; for `up`, `engine` and `serve`: stopped in order, by Ctrl-C or SIGTERM
1    it was tried and failed: no such invocation, already completed, the one that was watched failed,
     a worker process died
2    it could not start: usage, TARGET, an address in use, a locked data directory
3    no engine answers at the admin address
130  interrupted by Ctrl-C before there was anything to stop in order
"""

from __future__ import annotations

from perdure.errors import CommandError, EngineError, EngineUnreachable, PerdureError, StoreFailed

FAILED = 1
CANNOT_START = 2
UNREACHABLE = 3
INTERRUPTED = 130


def exit_code_of(error: PerdureError) -> int:
    """The exit code of a command that ended with this error."""
    if isinstance(error, EngineUnreachable):
        return UNREACHABLE
    if isinstance(error, StoreFailed):  # the disk's doing, and not only when it starts
        return FAILED
    return CANNOT_START if isinstance(error, (CommandError, EngineError)) else FAILED
