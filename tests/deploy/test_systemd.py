"""The systemd units, judged by systemd's own analysis, and by a process that is run as they say."""

import asyncio
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stripeline.deploy.runtime.process.shutdown import BLOCKED_S, LAST_S
from stripeline.deploy.settings.settings import Settings
from tests.support.cluster import free_port
from tests.support.product_sources import ROOT

UNITS = ROOT / "deploy" / "systemd"
TEMPLATE = UNITS / "stripeline@.service"
SERVICE = TEMPLATE.read_text(encoding="utf-8")
TOKENS = UNITS / "stripeline@console.service.d" / "tokens.conf"
ROLES = ("ingest", "router", "executor", "console")
EXPOSURE_AT_MOST = 2.0
"""Of 10: `systemd-analyze security` calls less than 2 "OK" and more than 6.6 "exposed"."""
ANALYZE = shutil.which("systemd-analyze") or "systemd-analyze"


def value(name: str) -> str:
    return re.findall(rf"^{name}=(.*)$", SERVICE, re.MULTILINE)[-1]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, each role an instance."""
    for role in ROLES:
        shutil.copy(TEMPLATE, tmp_path / f"stripeline@{role}.service")
    shutil.copy(UNITS / "stripeline.target", tmp_path)
    shutil.copytree(TOKENS.parent, tmp_path / TOKENS.parent.name)
    return tmp_path


def analysis(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ANALYZE, *arguments], check=False, capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    done = analysis("verify", "--man=no", *sorted(path for path in units.iterdir() if path.is_file()))
    ours = [line for line in done.stderr.splitlines() if "stripeline" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_the_units_are_hardly_exposed(units: Path) -> None:
    limit = str(round(10 * EXPOSURE_AT_MOST))
    done = analysis("security", "--offline=true", f"--threshold={limit}", str(units / "stripeline@executor.service"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_consoles_tokens_are_its_own_copy() -> None:
    """The file is root's alone, and the unit's user is made up: without a copy the console never starts."""
    words = TOKENS.read_text(encoding="utf-8")
    [name] = re.findall(r"^LoadCredential=(\w+):/etc/stripeline/console_tokens$", words, re.MULTILINE)
    assert f"STRIPELINE_CONSOLE_TOKENS_FILE=%d/{name}" in words


def test_the_units_times_leave_room_for_the_process() -> None:
    assert float(value("TimeoutStopSec")) > LAST_S + 2
    assert float(value("WatchdogSec")) > BLOCKED_S


def test_each_setting_in_a_unit_exists() -> None:
    named = set(re.findall(r"STRIPELINE_\w+(?==)", SERVICE + TOKENS.read_text(encoding="utf-8")))
    assert named <= {f"STRIPELINE_{name.upper()}" for name in Settings.model_fields}
    assert {role for role in ROLES if role not in SERVICE} == set()


async def test_a_process_is_started_while_kafka_is_away(tmp_path: Path) -> None:
    """ExecStart as systemd runs it, with a socket and a credential of the test's own."""
    (tmp_path / ".env").write_text(f"KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{free_port()}\nSTRIPELINE_TOPIC_PREFIX=unit.\n")
    shell, flag, script, role = shlex.split(value("ExecStart").replace("$$", "$").replace("%i", "router"))
    script = script.replace("/opt/stripeline/bin/stripeline", f"{sys.executable} -m stripeline.deploy")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = str(tmp_path / "notify")
    manager.bind(address)
    manager.setblocking(False)
    environment = {
        "CREDENTIALS_DIRECTORY": str(tmp_path), "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "900000",
        "PATH": "/usr/bin:/bin", "STRIPELINE_ADMIN_PORT": str(free_port()), "STRIPELINE_ADMIN_HOST": "127.0.0.1",
    }  # fmt: skip
    with manager:
        process = await asyncio.create_subprocess_exec(shell, flag, script, role, env=environment)
        try:
            assert (await told(manager)).startswith("READY=1\nWATCHDOG=1\nSTATUS=not ready: ")
            assert "WATCHDOG=1" in await told(manager)
            process.terminate()
            while "STOPPING=1" not in await told(manager):
                pass
            assert await asyncio.wait_for(process.wait(), 30) == 0
        finally:
            if process.returncode is None:
                process.kill()


async def told(manager: socket.socket) -> str:
    async with asyncio.timeout(30):
        return (await asyncio.get_running_loop().sock_recv(manager, 4_096)).decode()
