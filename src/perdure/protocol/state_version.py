"""The version of a state: what an edit was made from, so that the engine refuses one that comes too late."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256


def version_of(state: Mapping[bytes, bytes]) -> str:
    """A digest of all names and values, as Restate's tools compute it."""
    digest = sha256()
    for index, (name, value) in enumerate(sorted(state.items())):
        digest.update(index.to_bytes(8, "big") + b"\x01" + name + b"\x02" + value + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
