"""Request identity v1: requests signed with an Ed25519 key, so that an endpoint can tell who calls it.

Each request carries a JSON Web Token for its path, valid for a minute. The endpoint is given the public key,
in Restate's spelling: `publickeyv1_` and the key in base 58.
"""

from __future__ import annotations

import time
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from perdure.errors import EngineError

LIFETIME_S = 60
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class RequestIdentity:
    """Signs requests. `public_key` is what endpoints are given."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = f"publickeyv1_{_base58(key.public_key().public_bytes_raw())}"

    @classmethod
    def from_pem_file(cls, path: Path) -> RequestIdentity:
        """Read an unencrypted PKCS #8 file, as `openssl genpkey -algorithm ed25519` writes it.

        Raises EngineError when there is no such key in it.
        """
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise EngineError(f"cannot read the request identity key {path}: {error.strerror}") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise EngineError(f"no private key in PEM format in {path}: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise EngineError(
                f"the key in {path} is not an Ed25519 key: make one with openssl genpkey -algorithm ed25519"
            )
        return cls(key)

    def headers(self, path: str) -> dict[str, str]:
        """The headers that sign a request for `path`, which has no base path and no query."""
        now_s = int(time.time())
        claims = {"aud": path, "nbf": now_s - LIFETIME_S, "iat": now_s, "exp": now_s + LIFETIME_S}
        token = jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.public_key})
        return {"x-restate-signature-scheme": "v1", "x-restate-jwt-v1": token}


def _base58(data: bytes) -> str:
    number = int.from_bytes(data)
    letters = ""
    while number:
        number, digit = divmod(number, 58)
        letters = _BASE58[digit] + letters
    leading_zeros = len(data) - len(data.lstrip(b"\0"))
    return _BASE58[0] * leading_zeros + letters
