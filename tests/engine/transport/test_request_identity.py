"""Signed requests, verified by the SDK's own verifier in a real endpoint."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
import restate
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from service_endpoint import ServiceEndpoint

from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.transport.asgi import AsgiTransport
from perdure.engine.transport.http import HttpTransport
from perdure.engine.transport.request_identity import RequestIdentity
from perdure.errors import DiscoveryRefused, EngineError

pytestmark = pytest.mark.anyio

CODE = """
import os
import restate

guarded = restate.Service("Guarded")

@guarded.handler()
async def shout(ctx: restate.Context, word: str) -> str:
    return word.upper()

app = restate.app([guarded], identity_keys=[os.environ["PUBLIC_KEY"]])
"""


def write_pem(path: Path, key=None) -> Path:
    key = key or Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return write_pem(tmp_path / "key.pem")


@pytest.fixture
async def endpoint_url(key_file: Path, tmp_path: Path):
    """An endpoint that serves nobody but the owner of the key."""
    (tmp_path / "guarded.py").write_text(CODE)
    public_key = RequestIdentity.from_pem_file(key_file).public_key
    endpoint = ServiceEndpoint(str(tmp_path / "guarded.py"), tmp_path, env={"PUBLIC_KEY": public_key})
    try:
        await endpoint.start()
        yield endpoint.url
    finally:
        endpoint.kill()


@pytest.mark.parametrize("http1", [False, True], ids=["HTTP/2", "HTTP/1.1"])
async def test_an_endpoint_with_an_identity_key_serves_the_engine_that_has_it(
    start_engine, endpoint_url, key_file, http1
) -> None:
    async with start_engine(request_identity_key=key_file) as engine:
        registered = await engine.admin.post("/deployments", json={"uri": endpoint_url, "use_http_11": http1})
        assert registered.status_code == 201, registered.text
        assert (await engine.call("Guarded/shout", "who")).json() == "WHO"


async def test_it_serves_nobody_else(endpoint_url, tmp_path) -> None:
    stranger = RequestIdentity.from_pem_file(write_pem(tmp_path / "other.pem"))
    for identity in (None, stranger):
        with pytest.raises(DiscoveryRefused, match="answers only who signs with a key that it knows"):
            await HttpTransport(endpoint_url, identity=identity).discover()


async def test_an_app_with_identity_keys_is_not_run_in_process(key_file) -> None:
    public_key = RequestIdentity.from_pem_file(key_file).public_key
    app = restate.app([restate.Service("Guarded")], identity_keys=[public_key])
    with pytest.raises(DiscoveryRefused, match="take them out"):
        await AsgiTransport(app).discover()


async def test_a_token_is_for_one_path_and_a_minute(key_file) -> None:
    identity = RequestIdentity.from_pem_file(key_file)
    headers = identity.headers("/invoke/Guarded/shout")
    claims = jwt.decode(headers["x-restate-jwt-v1"], options={"verify_signature": False})
    assert claims["aud"] == "/invoke/Guarded/shout"
    assert (claims["exp"] - claims["iat"], claims["iat"] - claims["nbf"]) == (60, 60)
    assert jwt.get_unverified_header(headers["x-restate-jwt-v1"])["kid"] == identity.public_key
    assert headers["x-restate-signature-scheme"] == "v1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the request identity key"),
        (b"nonsense", "no private key in PEM format"),
        ("another kind of key", "is not an Ed25519 key"),
    ],
)
async def test_a_key_that_cannot_be_used(tmp_path, content, says) -> None:
    path = tmp_path / "bad.pem"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        write_pem(path, generate_private_key(SECP256R1()))
    options = EngineOptions(data_dir=tmp_path / "data", request_identity_key=path)
    with pytest.raises(EngineError, match=says):
        async with Engine(options):
            pass
    assert not options.data_dir.exists()
