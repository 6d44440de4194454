"""Ids as Restate writes them: `inv_1…`, `dp_1…`, `sign_1…` (awakeables).

An invocation id is 24 bytes: an 8-byte partition key and a 16-byte number. Its text is `inv_1` and both
parts in base 62, fixed width, least significant byte first. On one machine the partition key has no
use, but the official tools parse it. The 16-byte number is time-ordered and random, or, where the request
is idempotent or is made by another invocation, a hash of what makes it the same request: then the
id alone finds the invocation again, and no index of idempotency keys is needed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from hashlib import sha256

from perdure.errors import RequestError

INVOCATION_BYTES = 24
BUILT_IN_SIGNAL_MAX = 16
_PARTITION_BYTES = 8
AWAKEABLE_PREFIX = "sign_1"
_AWAKEABLE_ID = re.compile(rb"sign_1[0-9A-Za-z_-]{38}")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGIT = {letter: value for value, letter in enumerate(_ALPHABET)}


def _base62(data: bytes) -> str:
    number = int.from_bytes(data, "little")
    letters = ""
    while number:
        number, digit = divmod(number, 62)
        letters = _ALPHABET[digit] + letters
    return letters.rjust(_base62_width(len(data)), "0")


def _base62_width(byte_count: int) -> int:
    return -(-byte_count * 8 // 6)


def _from_base62(text: str, byte_count: int) -> bytes:
    number = 0
    for letter in text:
        number = number * 62 + _DIGIT[letter]
    return number.to_bytes(byte_count, "little")


def encode_invocation_id(raw: bytes) -> str:
    """Text of a 24-byte invocation id."""
    return f"inv_1{_base62(raw[:_PARTITION_BYTES])}{_base62(raw[_PARTITION_BYTES:])}"


def decode_invocation_id(text: str) -> bytes:
    """The 24 bytes behind an invocation id. Raises RequestError(400) when it is none."""
    split = 5 + _base62_width(_PARTITION_BYTES)
    try:
        if not text.startswith("inv_1") or len(text) != split + _base62_width(16):
            raise ValueError(text)
        return _from_base62(text[5:split], _PARTITION_BYTES) + _from_base62(text[split:], 16)
    except (KeyError, ValueError, OverflowError):
        raise RequestError(400, f"bad invocation id '{text}'") from None


def random_invocation_id(now_ms: int, random: bytes) -> str:
    """A new id: 6 bytes of time, then randomness. `random` holds 18 bytes."""
    return encode_invocation_id(random[:8] + now_ms.to_bytes(6, "big") + random[8:18])


def derived_invocation_id(*parts: str) -> str:
    """The id of a request that must be the same invocation whenever it is made again."""
    digest = _digest(parts)
    return encode_invocation_id(digest[16:24] + digest[:16])


def idempotent_invocation_id(
    service: str, handler: str, key: str, idempotency_key: str, scope: str | None = None
) -> str:
    """The id that an idempotency key stands for, within one handler (and object key, and scope)."""
    return derived_invocation_id("ik", service, key, handler, idempotency_key, *_scope(scope))


def workflow_invocation_id(service: str, key: str, scope: str | None = None) -> str:
    """The id of a workflow's one run (in each scope)."""
    return derived_invocation_id("wf", service, key, *_scope(scope))


def _scope(scope: str | None) -> tuple[str, ...]:
    """No part at all for no scope: those ids are as they were before there were scopes."""
    return () if scope is None else (scope,)


def random_seed(invocation_id: str) -> int:
    """64-bit seed of the handler's random numbers: the same in every attempt."""
    return int.from_bytes(sha256(invocation_id.encode()).digest()[:8], "big")


def encode_awakeable_id(invocation_id: str, signal_index: int) -> str:
    """The id of an awakeable, as the SDKs make it: the invocation's bytes and the signal's index."""
    return _awakeable_id(decode_invocation_id(invocation_id) + signal_index.to_bytes(4, "big"))


def _awakeable_id(raw: bytes) -> str:
    return AWAKEABLE_PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_awakeable_id(text: str) -> tuple[str, int]:
    """(invocation id, signal index) of an awakeable. Raises RequestError(400) when it is none.

    The first 16 indices are the protocol's own signals (1 is cancel), and no awakeable's.
    """
    try:
        encoded = text.removeprefix(AWAKEABLE_PREFIX)
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        # Python's decoder passes over much that it should refuse; what it read must be what was written.
        index = int.from_bytes(raw[INVOCATION_BYTES:], "big")
        if len(raw) != INVOCATION_BYTES + 4 or text != _awakeable_id(raw) or index <= BUILT_IN_SIGNAL_MAX:
            raise ValueError(text)
    except (ValueError, binascii.Error):
        raise RequestError(400, f"bad awakeable id '{text}'") from None
    return encode_invocation_id(raw[:INVOCATION_BYTES]), index


def awakeables_in(content: bytes) -> Iterator[tuple[str, int]]:
    """(invocation id, signal index) of the awakeables whose ids stand in any text, JSON say."""
    for found in _AWAKEABLE_ID.finditer(content):
        try:
            yield decode_awakeable_id(found[0].decode())
        except RequestError:
            continue


def _digest(parts: tuple[str, ...]) -> bytes:
    """Each part with its length before it: a key is free text, and may hold any separator."""
    digest = sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def deployment_id(*parts: str) -> str:
    """The id of a deployment, derived from what makes it the same one (its address and its code)."""
    return "dp_1" + _base62(_digest(parts)[:16])
