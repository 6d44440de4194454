"""Request bodies, up to a limit."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from perdure.errors import RequestError


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body. Raises RequestError(413) as soon as it is known to be larger than `bytes_max`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > bytes_max:
        raise _too_large(bytes_max)
    parts: list[bytes] = []
    length = 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > bytes_max:
                raise _too_large(bytes_max)
            parts.append(part)
    except ClientDisconnect:
        raise RequestError(400, "the client left before its body was complete") from None
    return b"".join(parts)


def _too_large(bytes_max: int) -> RequestError:
    return RequestError(413, f"the body is larger than the limit of {bytes_max} bytes")
