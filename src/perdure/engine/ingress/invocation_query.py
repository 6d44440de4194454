"""The JSON body that names an invocation: by id, by target and idempotency key, or by workflow key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from perdure.errors import RequestError
from perdure.protocol.ids import decode_invocation_id, idempotent_invocation_id, workflow_invocation_id


class _Query(BaseModel, alias_generator=to_camel):
    pass


class ById(_Query):
    target: Literal["invocation"]
    invocation_id: str

    def id(self) -> str:
        decode_invocation_id(self.invocation_id)
        return self.invocation_id


class ByIdempotencyKey(_Query):
    target: Literal["idempotentInvocation"]
    service: str
    handler: str
    key: str | None = None
    idempotency_key: str

    def id(self) -> str:
        return idempotent_invocation_id(self.service, self.handler, self.key or "", self.idempotency_key)


class ByWorkflow(_Query):
    target: Literal["workflow"]
    workflow_name: str
    workflow_key: str

    def id(self) -> str:
        return workflow_invocation_id(self.workflow_name, self.workflow_key)


_QUERY: TypeAdapter[ById | ByIdempotencyKey | ByWorkflow] = TypeAdapter(
    Annotated[ById | ByIdempotencyKey | ByWorkflow, Field(discriminator="target")]
)


def decode_query(body: bytes) -> str:
    """The invocation id. Raises RequestError(400) that says what is missing."""
    try:
        return _QUERY.validate_json(body).id()
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise RequestError(400, f"bad body: {'; '.join(problems)}") from None
