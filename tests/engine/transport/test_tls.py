"""A remote deployment over TLS: its certificate is checked, and both directions flow at once."""

from __future__ import annotations

import datetime
import ipaddress
import sys
from pathlib import Path

import anyio
import pytest
from child_process import ChildProcess
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from free_port import free_port

pytestmark = pytest.mark.anyio

APP = """
from datetime import timedelta

import restate

service = restate.Service("Secure")


@service.handler()
async def nap(ctx: restate.Context, name: str) -> str:
    await ctx.sleep(timedelta(milliseconds=50))
    return f"{name} rested"


app = restate.app([service])
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_path, certificate_path = folder / "key.pem", folder / "certificate.pem"
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return key_path, certificate_path


async def listening(port: int, process: ChildProcess) -> None:
    with anyio.fail_after(20):
        while True:
            try:
                stream = await anyio.connect_tcp("127.0.0.1", port)
            except OSError:
                assert process.alive, process.log_tail()
                await anyio.sleep(0.02)
            else:
                await stream.aclose()
                return


@pytest.fixture
async def endpoint(tmp_path: Path):
    """(URL, certificate) of a service endpoint in another process."""
    key, trusted = certificate(tmp_path)
    (tmp_path / "secure.py").write_text(APP)
    port = free_port()
    process = ChildProcess(
        [
            *(str(Path(sys.executable).with_name("granian")), "--interface", "asgi", "--host", "127.0.0.1"),
            *("--port", str(port), "--ssl-keyfile", str(key), "--ssl-certificate", str(trusted)),
            *("--working-dir", str(tmp_path), "--log-level", "error", "secure:app"),
        ],
        log_path=tmp_path / "granian.log",
        env={},
    )
    process.start()
    try:
        await listening(port, process)
        yield f"https://127.0.0.1:{port}", trusted
    finally:
        process.kill()


async def test_a_deployment_over_tls(start_engine, endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    url, trusted = endpoint
    async with start_engine() as engine:
        refused = await engine.admin.post("/deployments", json={"uri": url})
        assert refused.status_code == 400, "nobody vouches for that certificate"

        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        registered = await engine.admin.post("/deployments", json={"uri": url})
        assert registered.status_code == 201, registered.text
        answer = await engine.call("Secure/nap", "Ada")
        described = await engine.describe(answer.headers["x-restate-id"])

    assert answer.json() == "Ada rested"
    assert described["attempt"] == 1, "it heard of the end of its sleep while it ran"
