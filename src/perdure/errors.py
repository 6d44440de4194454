"""Every error that Perdure raises on purpose, in one tree.

PerdureError
├── ProtocolError              bytes on the wire that break the service protocol
│   ├── FrameTooLarge
│   ├── FrameTruncated
│   ├── UnknownMessage
│   ├── MalformedMessage
│   └── ProtocolViolation
├── EngineError
│   ├── DataDirLocked          another engine has this data directory open
│   ├── StoreTooNew            the file was written by a newer Perdure
│   ├── StoreFailed            the disk refused a write; nothing was acknowledged
│   ├── PortInUse              another program listens on an address that we were given
│   ├── DiscoveryFailed        a deployment did not answer with a usable manifest
│   │   └── DiscoveryRefused   it serves only who signs requests with a key that it knows
│   └── DeploymentUnavailable  an invocation has no deployment on which it may run now
├── RequestError               what a client of ingress or admin did wrong, with its HTTP status
│   ├── OpenAIRequestError     the same of a client of the OpenAI-compatible door, with OpenAI's own code
│   └── NotCompleted           an output was asked for, and the invocation has none yet
├── ClientError
│   ├── InvocationFailed       the invocation ended with a terminal error
│   ├── ConnectionLost         the ingress did not answer for as long as the client tries
│   └── StreamGap              the ingress left events of a stream out
├── DurableError
│   ├── NotDurable             something that cannot be journaled was awaited or called
│   ├── Stuck                  no task can ever wake again
│   ├── EffectUnknown          an effect may have taken place or not, and it must not be repeated
│   ├── Unmetered              a budget cannot be kept: a model has no price, or told no usage
│   ├── StepFailed             a step's last try failed, and its error cannot be rebuilt
│   │   └── ToolFailed         the same of a tool
│   └── NotSerialisable        a step returned what the journal cannot give back
├── BudgetExceeded             in perdure.openai.budget, for it is an AgentsException as well
├── StillWaiting               a test waited for a result, and it did not come in time
├── NotDeterministic           in a test that replays always, a replay took another way
├── IncompatibleSDK            the installed openai-agents lacks a name that we wrap
└── CommandError               a command line mistake, told in one line
    └── EngineUnreachable      nothing answers at the admin address

AttemptEnded                   a BaseException beside the tree: see there
"""

from __future__ import annotations


class PerdureError(Exception):
    """Root of the tree: catch it to catch all that Perdure raises on purpose."""


class ProtocolError(PerdureError):
    """Bytes that break the service protocol."""


class FrameTooLarge(ProtocolError):
    """A frame announces more bytes than the limit allows."""


class FrameTruncated(ProtocolError):
    """The stream ended inside a frame."""


class UnknownMessage(ProtocolError):
    """A frame has a message type that no version we speak defines."""


class MalformedMessage(ProtocolError):
    """A frame's payload is not the protobuf message that its type announces."""


class ProtocolViolation(ProtocolError):
    """A well-formed message that is not allowed in this phase of the conversation."""


class EngineError(PerdureError):
    """The embedded engine cannot go on, or cannot start."""


class DataDirLocked(EngineError):
    """Another engine has this data directory open."""


class StoreTooNew(EngineError):
    """The data file was written by a newer version of Perdure."""


class StoreFailed(EngineError):
    """The disk refused a write. Nothing of that batch was acknowledged to anybody."""


class PortInUse(EngineError):
    """Another program listens on an address that we were given."""


class DiscoveryFailed(EngineError):
    """A deployment did not answer discovery with a manifest that we can use."""


class DiscoveryRefused(DiscoveryFailed):
    """A deployment has identity keys, and the request was not signed with one of them."""


class DeploymentUnavailable(EngineError):
    """An invocation has no deployment on which it may run now."""


class RequestError(PerdureError):
    """A client's mistake. `status` is the HTTP status of the answer, `restate_code` Restate's name for it."""

    def __init__(self, status: int, message: str, restate_code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.restate_code = restate_code


class OpenAIRequestError(RequestError):
    """`code` is a word of OpenAI's, `model_not_found` say; `param` the parameter that is to blame."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(status, message)
        self.code = code
        self.param = param


class NotCompleted(RequestError):
    """The output of an invocation was asked for, and it has not completed."""


class ClientError(PerdureError):
    """What `perdure.client` tells besides a RequestError."""


class InvocationFailed(ClientError):
    """An invocation ended with a terminal error: this is its outcome, and asking again changes nothing.

    `code` and `message` are the handler's own, `metadata` what it gave with them.
    """

    def __init__(self, code: int, message: str, metadata: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.metadata = metadata or {}


class ConnectionLost(ClientError):
    """The ingress did not answer for as long as the client tries; the message says what may have run."""


class StreamGap(ClientError):
    """The ingress left events of a stream out. It breaks its contract, so trying again is no cure."""


class DurableError(PerdureError):
    """Misuse of the deterministic loop."""


class NotDurable(DurableError):
    """Something that cannot be journaled was awaited or called on the deterministic loop."""


class Stuck(DurableError):
    """Every task waits, and nothing that is durable can wake any of them."""


class AttemptEnded(BaseException):
    """Thrown into durable code that waits when its attempt ends, by suspension, crash or a lost connection.

    The run is not over: its next attempt comes to the same line again. Like GeneratorExit it is for the
    interpreter's eyes only, so it is no Exception; code that catches it must not go on.
    """


class EffectUnknown(DurableError):
    """An effect may have taken place or not.

    Raised when the process ended between the claim of an effect and its record. An action that cannot tell
    either (its request went out, and no answer came) may raise it too: then `on_unknown` decides.

    `effect` is the effect's name, `key` the idempotency key that it was started with.
    """

    def __init__(
        self, effect: str, key: str, why: str = "its process ended before it could record it"
    ) -> None:
        super().__init__(
            f"whether effect {effect!r} took place is unknown: {why}. It was not started again. Look for its "
            f"idempotency key {key!r} on the other side; on_unknown=... can do that, start it again, or ask"
        )
        self.effect = effect
        self.key = key


class Unmetered(DurableError):
    """A budget cannot be kept: a model has no price, or does not tell its usage."""


class StepFailed(DurableError):
    """A step failed for good with an error that the journal cannot rebuild as the object that it was.

    `step` is the step's name, `type_name` the original error's `module:qualified.name`, `status` the HTTP
    status that it carried, if any, and `headers` what its response said about another try.
    """

    def __init__(
        self,
        step: str,
        type_name: str,
        message: str,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"step {step!r} failed with {type_name.rpartition(':')[2]}: {message}")
        self.step = step
        self.type_name = type_name
        self.message = message
        self.status = status
        self.headers = headers or {}


class ToolFailed(StepFailed):
    """A tool failed with an error that the journal cannot rebuild. Its text is that of the tool's error."""

    def __str__(self) -> str:
        return self.message


class NotSerialisable(DurableError):
    """A step returned a value that would not come back from the journal as it was."""


class StillWaiting(PerdureError):
    """A test waited for something of its engine, and it did not come in time. The message says what did not
    finish."""


class NotDeterministic(PerdureError):
    """A test with `always_replay` waits for a result, and a replay did something else than the attempt before
    it. The message names the handler and both commands."""


class IncompatibleSDK(PerdureError):
    """The installed openai-agents lacks a name that we wrap."""


class CommandError(PerdureError):
    """A mistake on the command line. The CLI prints its message as one line and exits with 2."""


class EngineUnreachable(CommandError):
    """Nothing that is an engine answers at the admin address. The CLI exits with 3."""
