"""The first fetch of Kafka's jars, where it can't work: within seconds, with the cause and what corrects it."""

import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.certificates import Authority

WITHIN_S = 30.0  # of which nearly all is Python's start on a busy machine; a try of every jar takes minutes


class NotHere(BaseHTTPRequestHandler):
    """A repository without any jar."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def inspected(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A home whose Maven repository shows a certificate of an unknown CA, as behind a proxy; and that CA's file."""
    authority = Authority.create(tmp_path)
    identity = authority.issue("repository", hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.cert_file, identity.key_file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), NotHere)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    repository = f"https://127.0.0.1:{server.server_port}/maven2"
    (home / ".config" / "jgo.conf").write_text(f"[repositories]\ncentral = {repository}\n")
    yield home, Path(authority.ca_file)
    server.shutdown()
    server.server_close()


def first_demo(home: Path, **env: str) -> tuple[int, str, float]:
    """`stripeline demo` on a machine that has no jars yet."""
    proxies = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}
    ours = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "XDG_CONFIG_HOME"}
    known = {name: value for name, value in os.environ.items() if name not in proxies | ours}
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "from stripeline.deploy.cli import main; main()", "demo"], cwd=home,
        env={**known, "HOME": str(home), **env}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began_s


def test_a_proxy_that_inspects_tls_is_named_at_once(inspected: tuple[Path, Path]) -> None:
    home, ca = inspected
    code, said, took_s = first_demo(home)
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert "Set REQUESTS_CA_BUNDLE to a PEM file that holds this CA" in said
    assert "HTTPS_PROXY" not in said
    assert took_s < WITHIN_S
    for name, mends in (("SSL_CERT_FILE", False), ("REQUESTS_CA_BUNDLE", True)):
        said = first_demo(home, **{name: str(ca)})[1]
        assert ("CERTIFICATE_VERIFY_FAILED" in said) is not mends, name


def test_no_network_ends_within_seconds(tmp_path: Path) -> None:
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "jgo.conf").write_text("[repositories]\ncentral = http://127.0.0.1:1/maven2\n")
    code, said, took_s = first_demo(tmp_path)
    assert (code, "behind a proxy, set HTTPS_PROXY" in said, took_s < WITHIN_S) == (1, True, True)
