"""Who has a port, and what to do."""

import errno
import os
import socket

import pytest

from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.process.port_in_use import named_ports, owner_of, why
from stripeline.ingest.http.listening import bound


@pytest.mark.parametrize(
    ("code", "setting", "owner", "words"),
    [
        (
            errno.EADDRINUSE,
            "INGEST",
            "pid 7 (nginx)",
            "is in use by pid 7 (nginx). End that process, or set",
        ),
        (errno.EADDRINUSE, "INGEST", None, "run one `stripeline ingest --processes 2`, or more"),
        (errno.EADDRINUSE, "ADMIN", None, "a process of another user. End that process, or set STRIPELINE_ADMIN_PORT"),
        (errno.EACCES, "INGEST", None, "set STRIPELINE_INGEST_PORT to a port from 1024 on"),
        (errno.EADDRNOTAVAIL, "INGEST", None, "Correct STRIPELINE_INGEST_HOST or STRIPELINE_INGEST_PORT"),
    ],
)
def test_the_sentence_names_the_setting(code: int, setting: str, owner: str | None, words: str):
    assert words in why(OSError(code, os.strerror(code)), "h", 80, setting, owner)


def test_a_port_that_somebody_listens_on_is_not_bound_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FailureError, match=rf"is in use by pid {os.getpid()} \("), named_ports("h", port, "INGEST"):
            bound("127.0.0.1", port)
        assert str(owner_of(port)).startswith(f"pid {os.getpid()} (")
    (free,) = bound("127.0.0.1", port)
    free.close()
    assert owner_of(port) is None
