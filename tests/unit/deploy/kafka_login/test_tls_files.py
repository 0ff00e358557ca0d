"""Client certificates from files: what is refused, and how a replaced file is taken."""

import asyncio
import datetime as dt
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.kafka_login.reloading_tls import ReloadingTls
from stripeline.deploy.kafka_login.tls_files import TlsFileError, TlsFiles
from tests.support.certificates import LOOPBACK, Authority, Identity


@dataclass
class Pki:
    ca: Authority
    other: Authority
    folder: Path

    def files(self, identity: Identity, ca: Authority | None = None) -> TlsFiles:
        """Copies, as a deployment has them: under names that stay."""
        self.put(identity, ca)
        password = SecretStr(identity.password) if identity.password else None
        return TlsFiles(ca=self.folder / "ca", cert=self.folder / "cert", key=self.folder / "key", password=password)

    def put(self, identity: Identity | None = None, ca: Authority | None = None) -> None:
        """Replace what is given, each file by a new one in its place."""
        sources = {"ca": (ca or self.ca).ca_file}
        if identity is not None:
            sources |= {"cert": identity.cert_file, "key": identity.key_file}
        for name, source in sources.items():
            shutil.copy(source, self.folder / f"{name}.new")
            (self.folder / f"{name}.new").replace(self.folder / name)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    (tmp_path / "used").mkdir()
    return Pki(Authority.create(tmp_path / "one"), Authority.create(tmp_path / "two"), tmp_path / "used")


@asynccontextmanager
async def server(pki: Pki, seen: list[str], *, signed_by: Authority | None = None) -> AsyncIterator[int]:
    """Wants a client certificate of either authority, and notes its name."""
    identity = (signed_by or pki.ca).issue("server", hosts=LOOPBACK)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.cert_file, identity.key_file)
    context.verify_mode = ssl.CERT_REQUIRED
    for authority in (pki.ca, pki.other):
        context.load_verify_locations(authority.ca_file)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert")["subject"][0][0][1])
        writer.write(b"hi")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


async def greeted(port: int, tls: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        return await reader.read(2)
    finally:
        writer.close()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_new_certificate_is_used_by_the_next_handshake(pki: Pki, factory: Any) -> None:
    async def rotated() -> None:
        seen: list[str] = []
        tls = ReloadingTls(pki.files(pki.ca.issue("first")))
        async with server(pki, seen) as port:
            assert await greeted(port, tls) == b"hi"
            pki.put(pki.other.issue("second"))
            assert await greeted(port, tls) == b"hi"
            assert await greeted(port, tls) == b"hi"
        assert seen == ["first", "second", "second"]

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(rotated())


async def test_a_ca_that_was_taken_away_is_trusted_no_more(pki: Pki) -> None:
    tls = ReloadingTls(pki.files(pki.ca.issue("me")))
    async with server(pki, []) as port:
        assert await greeted(port, tls) == b"hi"
        pki.put(ca=pki.other)
        with pytest.raises(ssl.SSLCertVerificationError):
            await greeted(port, tls)
    async with server(pki, [], signed_by=pki.other) as port:
        assert await greeted(port, tls) == b"hi"


async def test_a_broken_file_keeps_the_former_ones_and_says_so(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    tls = ReloadingTls(pki.files(pki.ca.issue("first")))
    second = pki.ca.issue("second")
    async with server(pki, seen) as port:
        shutil.copy(second.cert_file, pki.folder / "cert")  # half a renewal: the key is the former one's
        assert await greeted(port, tls) == b"hi"
        assert "is not the key of the certificate" in (tls.problem() or "")
        assert LogEvent.TLS_FILES_UNUSABLE in caplog.text
        (pki.folder / "ca").unlink()
        assert "STRIPELINE_KAFKA_CA_FILE" in (tls.problem() or "")
        pki.put(second)
        assert await greeted(port, tls) == b"hi"
        assert tls.problem() is None
    assert seen == ["first", "second"]


def test_a_link_that_moves_is_seen(pki: Pki) -> None:
    """Kubernetes replaces the files of a secret by moving a link to their folder."""
    for name in ("one", "two"):
        (pki.folder / name).mkdir()
        shutil.copy(pki.ca.ca_file if name == "one" else pki.other.ca_file, pki.folder / name / "ca")
    (pki.folder / "data").symlink_to("one")
    files = TlsFiles(ca=pki.folder / "data" / "ca")
    before = files.stamps()
    (pki.folder / "new").symlink_to("two")
    (pki.folder / "new").replace(pki.folder / "data")
    assert files.stamps() != before


@pytest.mark.parametrize(
    ("days", "words"), [(100, None), (0.1, "expires at"), (-1, "expired at")], ids=["long", "soon", "over"]
)
def test_a_certificate_near_its_end_is_a_warning(pki: Pki, days: float, words: str | None) -> None:
    problem = ReloadingTls(pki.files(pki.ca.issue("me", days=days))).problem()
    assert problem is None if words is None else words in str(problem)


def test_an_encrypted_key_needs_its_password(pki: Pki) -> None:
    files = pki.files(pki.ca.issue("me", password="pass"))
    files.context()
    with pytest.raises(TlsFileError, match=r"is encrypted\. Set STRIPELINE_KAFKA_KEY_PASSWORD"):
        replace(files, password=None).context()
    with pytest.raises(TlsFileError, match="not readable with STRIPELINE_KAFKA_KEY_PASSWORD") as caught:
        replace(files, password=SecretStr("wrong one")).context()
    assert "wrong one" not in str(caught.value)
    assert "pass" not in repr(files).replace("password", "")


def test_certificate_and_key_may_be_one_file(pki: Pki) -> None:
    """As `openssl pkcs12` writes them, with what it says about each."""
    identity = pki.ca.issue("me")
    both = pki.folder / "client.pem"
    both.write_text(
        f"Bag Attributes\n    friendlyName: me\n{identity.key_file.read_text()}{identity.cert_file.read_text()}"
    )
    TlsFiles(ca=pki.ca.ca_file, cert=both, key=both).context()


def test_a_password_for_an_open_key_does_no_harm(pki: Pki) -> None:
    replace(pki.files(pki.ca.issue("me")), password=SecretStr("needless")).context()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cert", b"x", "STRIPELINE_KAFKA_CERT_FILE .* no certificate in it"),
        ("key", b"x", "STRIPELINE_KAFKA_KEY_FILE .* no private key in it"),
        ("ca", b"x", "STRIPELINE_KAFKA_CA_FILE .* no certificates"),
        ("cert", None, "STRIPELINE_KAFKA_CERT_FILE .* No such file"),
        ("key", None, "STRIPELINE_KAFKA_KEY_FILE .* No such file"),
        ("ca", None, "STRIPELINE_KAFKA_CA_FILE .* No such file"),
    ],
)
def test_each_file_that_cant_be_used_has_its_sentence(pki: Pki, name: str, content: bytes | None, said: str) -> None:
    files = pki.files(pki.ca.issue("me"))
    (pki.folder / name).unlink()
    if content is not None:
        (pki.folder / name).write_bytes(content)
    with pytest.raises(TlsFileError, match=said):
        ReloadingTls(files)


def test_without_a_client_certificate_there_is_nothing_to_expire() -> None:
    files = TlsFiles()
    assert files.validity() is None
    assert ReloadingTls(files).problem() is None


def test_validity_ends_soon_in_its_last_twentieth(pki: Pki) -> None:
    validity = pki.files(pki.ca.issue("me", days=15)).validity()
    assert validity is not None
    assert not validity.ends_soon(validity.until - dt.timedelta(days=1.1))
    assert validity.ends_soon(validity.until - dt.timedelta(days=0.9))
