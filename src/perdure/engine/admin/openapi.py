"""An OpenAPI 3.1 document of one service: its public handlers, called, sent to, attached to."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.protocol.discovery import HandlerManifest, ServiceManifest

Json = dict[str, object]

_ERROR: Json = {
    "description": "It failed, or could not be started.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/RestateError"}}},
}
_COMPONENTS: Json = {
    "schemas": {
        "RestateError": {
            "type": "object",
            "required": ["message"],
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        },
        "SendResponse": {
            "type": "object",
            "required": ["invocationId", "status"],
            "properties": {
                "invocationId": {"type": "string"},
                "status": {"type": "string", "enum": ["Accepted", "PreviouslyAccepted"]},
                "executionTime": {"type": "string", "format": "date-time"},
            },
        },
    },
    "parameters": {
        "key": {
            "name": "key",
            "in": "path",
            "required": True,
            "description": "The key of the virtual object or workflow.",
            "schema": {"type": "string"},
        },
        "idempotencyKey": {
            "name": "idempotency-key",
            "in": "header",
            "description": "Requests with the same key are one invocation.",
            "schema": {"type": "string"},
        },
        "delay": {
            "name": "delay",
            "in": "query",
            "description": "Start so much later: 10s, 1h, PT10S.",
            "schema": {"type": "string"},
        },
    },
}


def service_openapi(service: ServiceManifest, revision: int, ingress_url: str) -> Json:
    """The document; its paths are the ingress's."""
    public = [handler for handler in service.handlers.values() if not handler.options.ingress_private]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": service.name,
            "version": str(revision),
            **({"description": service.documentation} if service.documentation else {}),
        },
        "servers": [{"url": ingress_url}],
        "paths": dict(path for handler in public for path in _paths(service, handler)),
        "components": _COMPONENTS,
    }


def _paths(service: ServiceManifest, handler: HandlerManifest) -> Iterator[tuple[str, Json]]:
    keyed = service.kind != "SERVICE"
    target = f"{service.name}/{{key}}" if keyed else service.name
    key = [_parameter("key")] if keyed else []
    idempotency = [] if service.kind == "WORKFLOW" else [_parameter("idempotencyKey")]
    operation = {"tags": [service.name], "summary": handler.name}
    if handler.documentation:
        operation["description"] = handler.documentation
    body = _request_body(handler)

    yield (
        f"/restate/call/{target}/{handler.name}",
        {
            "post": operation
            | {"operationId": handler.name, "parameters": [*key, *idempotency]}
            | body
            | {"responses": {"200": _result(handler), "default": _ERROR}}
        },
    )
    sent = {
        "description": "It is accepted.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SendResponse"}}},
    }
    yield (
        f"/restate/send/{target}/{handler.name}",
        {
            "post": operation
            | {"operationId": f"{handler.name}Send", "parameters": [*key, *idempotency, _parameter("delay")]}
            | body
            | {"responses": {"202": sent, "default": _ERROR}}
        },
    )
    if handler.kind == "WORKFLOW":
        for verb, missing in (
            ("attach", {}),
            ("output", {"470": {"description": "It has not completed yet."}}),
        ):
            yield (
                f"/restate/workflow/{service.name}/{{key}}/{verb}",
                {
                    "get": operation
                    | {"operationId": f"{handler.name}{verb.capitalize()}", "parameters": key}
                    | {"responses": {"200": _result(handler), **missing, "default": _ERROR}}
                },
            )


def _parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _request_body(handler: HandlerManifest) -> Json:
    if handler.input_content_type is None:
        return {}
    content = {"schema": {} if handler.input_schema is None else handler.input_schema}
    return {"requestBody": {"required": True, "content": {handler.input_content_type: content}}}


def _result(handler: HandlerManifest) -> Json:
    if handler.output_content_type is None:
        return {"description": "It has completed, without a result."}
    content = {"schema": {} if handler.output_schema is None else handler.output_schema}
    return {"description": "Its result.", "content": {handler.output_content_type: content}}
