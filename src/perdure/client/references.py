"""What a client names: a handler to call, and an invocation that there is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class SendHandle:
    """An invocation that was sent. `is_new` is False where its idempotency key, or its workflow's key, had
    one already."""

    id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class ByIdempotencyKey:
    """The invocation that a target was called for with this idempotency key."""

    target: str
    idempotency_key: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """The run of a workflow."""

    service: str
    key: str


Reference = str | SendHandle | ByIdempotencyKey | WorkflowRun
"""An invocation: its id, or what stands for it."""


def target_path(target: str, key: str | None) -> str:
    """`/Service/handler`, or `/Object/key/handler`. Raises ValueError for a target of another shape."""
    service, slash, handler = target.partition("/")
    if not service or not slash or not handler or "/" in handler:
        hint = "; a key goes into key=..." if target.count("/") > 1 else ""
        raise ValueError(f"target {target!r} is not of the form 'Service/handler'{hint}")
    if key == "":
        raise ValueError(f"the key of {target!r} is empty")
    return _path(service, handler) if key is None else _path(service, key, handler)


def reference_path(reference: Reference) -> str:
    """What stands before `/attach`, `/output` and `/stream`."""
    match reference:
        case ByIdempotencyKey(target, idempotency_key, key):
            return f"/restate/invocation{target_path(target, key)}{_path(idempotency_key)}"
        case WorkflowRun(service, key):
            return "/restate/workflow" + _path(service, key)
        case SendHandle(id=invocation_id) | str(invocation_id):
            return "/restate/invocation" + _path(invocation_id)


def _path(*segments: str) -> str:
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)
