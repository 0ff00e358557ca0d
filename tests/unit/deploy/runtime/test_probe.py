"""The health check asks the admin port of the settings, and exits with what it answered."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripeline.deploy.runtime.probe import main

ANSWERS = {
    "/healthz": b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status":"ok"}',
    "/readyz": b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"missing":{"topics":"\x1b[31mred"}}',
}


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(ANSWERS[connection.recv(4096).split(b" ")[1].decode()])

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("STRIPELINE_ADMIN_HOST", "0.0.0.0")
        monkeypatch.setenv("STRIPELINE_ADMIN_PORT", str(server.getsockname()[1]))
        yield server.getsockname()[1]
        thread.join(5)


@pytest.mark.usefixtures("port")
def test_yes_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["healthz"]) == 0
    assert capsys.readouterr().out == '{"status":"ok"}\n'


@pytest.mark.usefixtures("port")
def test_no_is_exit_code_1_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readyz"]) == 1
    shown = capsys.readouterr().out
    assert "red" in shown
    assert "\x1b" not in shown


def test_no_answer_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    monkeypatch.setenv("STRIPELINE_ADMIN_PORT", str(free))
    assert main(["readyz"]) == 1
    assert f"the admin port {free} does not answer" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["metrics"], ["readyz", "healthz"]])
def test_other_pages_are_wrong_use(arguments: list[str]) -> None:
    assert main(arguments) == 2
