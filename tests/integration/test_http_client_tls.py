"""Who the server is, is verified before anything is said to it."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stripeline.workers.stripe.http_client import HttpClient, NotSentError
from tests.support.raw_server import raw_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def certificate(folder: Path, *, address: str = "127.0.0.1", expired: bool = False) -> Path:
    """A certificate that vouches for itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    until = now + dt.timedelta(days=-1 if expired else 1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(kept + built.public_bytes(serialization.Encoding.PEM))
    return path


def server_side(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def client(url: str, tls: ssl.SSLContext | None = None) -> HttpClient:
    return HttpClient(url, headers={}, limit=4, max_body_bytes=1_000, deadline_s=20, tls=tls)


async def test_a_self_signed_certificate_gets_no_request(tmp_path):
    path = certificate(tmp_path)
    async with raw_server(OK, tls=server_side(path)) as server, client(server.url) as http:
        with pytest.raises(NotSentError, match="Certificate"):
            await http.ask("POST", "/v1/x", {"Authorization": "Bearer secret"}, b"")
        assert (server.requests, len(http._connector._open)) == ([], 0)


async def test_a_certificate_of_a_trusted_authority_is_accepted(tmp_path):
    path = certificate(tmp_path)
    trusts = ssl.create_default_context(cafile=path)
    async with raw_server(OK, tls=server_side(path)) as server, client(server.url, trusts) as http:
        for _ in range(2):
            assert (await http.ask("POST", "/v1/x", {}, b"")).body == b"hi"
        assert len(server.connections) == 1


@pytest.mark.parametrize("wrong", [{"address": "127.0.0.2"}, {"expired": True}], ids=["another name", "expired"])
async def test_a_certificate_of_another_name_or_time_is_refused(tmp_path, wrong):
    path = certificate(tmp_path, **wrong)
    trusts = ssl.create_default_context(cafile=path)
    async with raw_server(OK, tls=server_side(path)) as server, client(server.url, trusts) as http:
        with pytest.raises(NotSentError, match="Certificate"):
            await http.ask("POST", "/v1/x", {}, b"")
        assert server.requests == []
