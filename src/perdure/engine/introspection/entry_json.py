"""Journal entries as the JSON of `sys_journal`'s `entry_json` and `entry_lite_json` (version 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perdure.engine.core.entries.attach import target_id as attached_id
from perdure.engine.core.lifecycle.complete import RETENTION_MS_DEFAULT
from perdure.engine.introspection.services import Services
from perdure.protocol import messages
from perdure.protocol.messages import MessageType

Json = Mapping[str, object]

_NO_SPAN: Json = {
    "span_context": {
        "trace_id": [0] * 16,
        "span_id": [0] * 8,
        "trace_flags": 0,
        "is_remote": False,
        "trace_state": "",
    },
    "cause": None,
}


def entry_object(kind: int, message: Any, callee: str | None, services: Services, *, lite: bool) -> Json:
    """The whole entry; or, `lite`, without what users put into it."""
    name = messages.type_name(kind).partition(": ")[2]
    if messages.is_notification(kind):
        return {"Notification": _notification(kind, name, message, lite)}
    fields = dict(_command(kind, message, callee, services, lite))
    if not lite:
        fields["name"] = messages.entry_name(kind, message)
    elif kind in _NAMED_IN_LITE and message.name:
        fields["name"] = message.name
    return {"Command": {name: fields}}


_KEYED = {"VIRTUAL_OBJECT": ("VirtualObject", "EXCLUSIVE"), "WORKFLOW": ("Workflow", "WORKFLOW")}
_NAMED_IN_LITE = (MessageType.RUN, MessageType.SLEEP, MessageType.CALL, MessageType.ONE_WAY_CALL)


def _command(kind: int, message: Any, callee: str | None, services: Services, lite: bool) -> Json:
    match kind:
        case MessageType.INPUT:
            return {} if lite else {"headers": _headers(message), "payload": list(message.value.content)}
        case MessageType.OUTPUT:
            return {"result": _result(message, lite)}
        case MessageType.RUN:
            return {"completion_id": message.result_completion_id}
        case MessageType.SLEEP:
            return {"wake_up_time": message.wake_up_time, "completion_id": message.result_completion_id}
        case MessageType.CALL | MessageType.ONE_WAY_CALL:
            return _call(kind, message, callee, services, lite)
        case MessageType.GET_LAZY_STATE:
            return {"key": _text(message.key), "completion_id": message.result_completion_id}
        case MessageType.GET_EAGER_STATE:
            return {"key": _text(message.key), "result": _result(message, lite)}
        case MessageType.GET_LAZY_STATE_KEYS:
            return {"completion_id": message.result_completion_id}
        case MessageType.GET_EAGER_STATE_KEYS:
            return {} if lite else {"state_keys": [_text(key) for key in message.value.keys]}
        case MessageType.SET_STATE:
            key: Json = {"key": _text(message.key)}
            return key if lite else {**key, "value": list(message.value.content)}
        case MessageType.CLEAR_STATE:
            return {"key": _text(message.key)}
        case MessageType.GET_PROMISE | MessageType.PEEK_PROMISE:
            return {"key": message.key, "completion_id": message.result_completion_id}
        case MessageType.COMPLETE_PROMISE:
            promise: Json = {"key": message.key, "completion_id": message.result_completion_id}
            return promise if lite else {**promise, "value": _result(message, lite, "completion")}
        case MessageType.COMPLETE_AWAKEABLE:
            return {"id": message.awakeable_id, "result": _result(message, lite)}
        case MessageType.SEND_SIGNAL:
            signal = (
                {"Index": message.idx} if message.WhichOneof("signal_id") == "idx" else {"Name": message.name}
            )
            target = {"target_invocation_id": message.target_invocation_id, "signal_id": signal}
            return {**target, "result": _result(message, lite)}
        case MessageType.ATTACH_INVOCATION | MessageType.GET_INVOCATION_OUTPUT:
            # Named by a workflow or an idempotency key, it has an id all the same.
            target_id = {"InvocationId": attached_id(message)}
            return {"target": target_id, "completion_id": message.result_completion_id}
        case _:  # ClearAllState, custom ones
            return {}


def _call(kind: int, message: Any, callee: str | None, services: Services, lite: bool) -> Json:
    target = _target(message, services)
    completions: dict[str, object] = {"invocation_id_completion_id": message.invocation_id_notification_idx}
    if kind == MessageType.CALL:
        completions["result_completion_id"] = message.result_completion_id
    else:
        completions["invoke_time"] = message.invoke_time
    if lite:
        return {"invocation_id": callee, "invocation_target": target, **completions}
    handler = services.handler(message.service_name, message.handler_name)
    retention_ms = handler.options.journal_retention_ms if handler else None
    retention = _duration(RETENTION_MS_DEFAULT if retention_ms is None else retention_ms)
    request = {
        "invocation_id": callee,
        "invocation_target": target,
        "span_context": _NO_SPAN,
        "parameter": list(message.parameter),
        "headers": _headers(message),
        "idempotency_key": message.idempotency_key or None,
        "completion_retention_duration": retention,
        "journal_retention_duration": retention,
    }
    return {"request": request, **completions}


def _target(message: Any, services: Services) -> Json:
    name, handler, scope = message.service_name, message.handler_name, message.scope or None
    kind = services.kind(name) or ("VIRTUAL_OBJECT" if message.key else "SERVICE")
    if kind == "SERVICE":
        return {"Service": {"name": name, "handler": handler, "scope": scope}}
    manifest = services.handler(name, handler)
    variant, default = _KEYED[kind]
    return {
        variant: {
            "name": name,
            "key": message.key,
            "handler": handler,
            "handler_ty": ((manifest.kind if manifest else "") or default).capitalize(),
            "scope": scope,
        }
    }


def _notification(kind: int, name: str, message: Any, lite: bool) -> Json:
    is_signal = kind == MessageType.SIGNAL
    if lite:
        variant = {"completion_id": "CompletionId", "signal_id": "SignalIndex", "signal_name": "SignalName"}
        which = message.WhichOneof("id")
        ty = "Signal" if is_signal else {"Completion": name}
        return {"ty": ty, "id": {variant[which]: getattr(message, which)}, "result": _result(message, lite)}
    if is_signal:
        by_index = message.WhichOneof("id") == "signal_id"
        signal_id = {"Index": message.signal_id} if by_index else {"Name": message.signal_name}
        return {"Signal": {"id": signal_id, "result": _result(message, lite)}}
    completion: dict[str, object] = {"completion_id": message.completion_id}
    match message.WhichOneof("result"):
        case "invocation_id":
            completion["invocation_id"] = message.invocation_id
        case "state_keys":
            completion["state_keys"] = [_text(key) for key in message.state_keys.keys]
        case _ if kind != MessageType.SLEEP_COMPLETION:
            completion["result"] = _result(message, lite)
    return {"Completion": {name: completion}}


def _result(message: Any, lite: bool, oneof: str = "result") -> object:
    match message.WhichOneof(oneof):
        case "value" | "completion_value" as which:
            return "Success" if lite else {"Success": list(getattr(message, which).content)}
        case "failure" | "completion_failure" as which:
            failure = getattr(message, which)
            told: dict[str, object] = {"code": failure.code, "message": failure.message}
            if failure.metadata:
                told["metadata"] = [{"key": each.key, "value": each.value} for each in failure.metadata]
            return "Failure" if lite else {"Failure": told}
        case "invocation_id":
            return "InvocationId"
        case "state_keys":
            return "StateKeys"
        case _:
            return "Void"


def _headers(message: Any) -> list[Json]:
    return [{"name": header.key, "value": header.value} for header in message.headers]


def _text(key: bytes) -> str:
    return key.decode(errors="replace")


def _duration(duration_ms: int) -> Json:
    return {"secs": duration_ms // 1000, "nanos": duration_ms % 1000 * 1_000_000}
