"""What is said to systemd: started, alive as long as the process is healthy, ending, and what `/readyz` misses."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from stripeline.deploy.runtime.process.service_manager import beat, service_manager, status_line
from stripeline.deploy.settings.settings import ServiceEnvironment, service_environment


def test_a_healthy_process_is_alive_though_not_ready():
    assert beat({}, {"kafka": "Kafka is away"}, watched=True) == "WATCHDOG=1\nSTATUS=not ready: kafka: Kafka is away"


def test_a_broken_process_lets_the_watchdog_restart_it():
    assert beat({"executor": "stuck"}, {}, watched=True) == "STATUS=not ready: executor: stuck"


def test_without_a_watchdog_there_is_a_status_only():
    assert beat({}, {}, watched=False) == "STATUS=ready"


def test_a_status_is_one_short_line():
    said = status_line({"kafka": "two\nlines\x1b[2J" + "x" * 1_000})
    assert len(said) == 500
    assert "\n" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize("abstract", [False, True])
async def test_a_service_says_how_it_goes(tmp_path: Path, abstract: bool):
    address = f"@stripeline-{os.getpid()}" if abstract else str(tmp_path / "notify")
    broken: dict[str, str] = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0"))
        manager.setblocking(False)
        loop, own = asyncio.get_running_loop(), ServiceEnvironment(notify_socket=address, watchdog_s=0.03)

        async def received() -> str:
            async with asyncio.timeout(10):
                return (await loop.sock_recv(manager, 4_096)).decode()

        async with service_manager(own, lambda: broken, dict):
            assert await received() == "READY=1\nWATCHDOG=1\nSTATUS=ready"
            assert await received() == "WATCHDOG=1\nSTATUS=ready"
            broken["executor"] = "stuck"
            while "stuck" not in (said := await received()):
                pass
            assert "WATCHDOG" not in said
        while "STOPPING=1" not in await received():
            pass


async def test_a_service_manager_that_is_away_ends_nothing(tmp_path: Path):
    async with service_manager(ServiceEnvironment(notify_socket=str(tmp_path / "nobody")), dict, dict):
        pass


async def test_without_a_service_manager_nothing_is_said():
    async with service_manager(ServiceEnvironment(), lambda: pytest.fail("asked"), dict):
        pass


@pytest.mark.parametrize(
    ("pid", "usec", "watchdog_s"),
    [(None, "90000000", 90.0), ("own", "90000000", 90.0), ("1", "90000000", None), (None, "0", None),
     (None, "rubbish", None)],
)  # fmt: skip
def test_a_watchdog_is_this_process_own(monkeypatch: pytest.MonkeyPatch, pid, usec, watchdog_s):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", pid.replace("own", str(os.getpid())))
    assert service_environment() == ServiceEnvironment(notify_socket="/run/systemd/notify", watchdog_s=watchdog_s)
