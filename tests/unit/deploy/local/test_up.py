"""`up` and `kafka run`: one a folder, ports that were asked for, and an environment that a second terminal can read."""

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.folder_lock import only_one
from stripeline.deploy.local.invocation import folder_of_command
from stripeline.deploy.local.kafka_config import free_port
from stripeline.deploy.local.port_choice import any_port, asked_port, near
from stripeline.deploy.settings.settings import load_settings

HOLD = """
import sys, time
from pathlib import Path
from stripeline.deploy.local.folder_lock import only_one
with only_one(Path(sys.argv[1]), "`stripeline up`", "go elsewhere"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_one_in_a_folder_hears_who_is_there(tmp_path: Path) -> None:
    lock = tmp_path / "home" / "up.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FailureError) as caught, only_one(lock, "`stripeline up`", "go elsewhere"):
            pass
        assert f"already running in {lock.parent}, since 20" in str(caught.value)
        assert f"pid {holder.pid}. Stop it with Ctrl-C" in str(caught.value)
        holder.kill()
    with only_one(lock, "`stripeline up`", "go elsewhere"):  # nobody holds what a killed process left
        assert f'"pid": {os.getpid()}' in lock.read_text()


def test_a_lock_that_says_nothing_is_still_held(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    with only_one(lock, "`stripeline up`", "go elsewhere"):
        lock.write_text("")
        words = r"already running in .*\. Stop it there, or go elsewhere"
        with pytest.raises(FailureError, match=words), only_one(lock, "`stripeline up`", "go elsewhere"):
            pass


def test_a_port_that_was_asked_for_is_used_or_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert near(port) != port
        asked = load_settings({"admin_port": port})
        with pytest.raises(FailureError, match=f"Port {port} .*STRIPELINE_ADMIN_PORT asks for it.*--admin-port"):
            asked_port(asked, "admin_port", any_port)
    assert asked_port(asked, "admin_port", any_port) == port
    assert asked_port(load_settings(), "ingest_port", lambda port: port + 1) == 8081


def test_the_folder_of_the_running_command_is_found(tmp_path: Path) -> None:
    program = tmp_path / "a b" / "stripeline"
    program.parent.mkdir()
    program.touch()
    assert folder_of_command(str(program)) == program.parent
    found = folder_of_command(str(tmp_path / "python"))
    assert found in (None, Path(sys.executable).parent)
    assert shlex.split(f'PATH={shlex.quote(str(program.parent))}:"$PATH"') == [f"PATH={program.parent}:$PATH"]


def test_the_console_takes_no_port_that_ingest_asked_for() -> None:
    port = free_port()
    assert near(port) == port
    assert near(port, taken=(port,)) != port
