"""Each role in a container that may write nowhere: ready, asked by its health check, and ended in time, clean."""

import contextlib
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from stripeline.deploy.local.kafka_config import free_port
from tests.image.conftest import Installation, engine

READY_S = 90
STOP_S = 30
CONSOLE = ("--env=STRIPELINE_CONSOLE_AUTH=token", "--env=STRIPELINE_CONSOLE_TOKENS_FILE=/mnt/console_tokens")
# The console's index is a file; each other role needs no place to write to.
ROLES = {
    "ingest": (),
    "router": (),
    "executor": (),
    "worker": (),
    "console": (*CONSOLE, "--tmpfs=/tmp"),
}
PROBE = ("/opt/stripeline/bin/python", "-m", "stripeline.deploy.runtime.probe")


@contextlib.contextmanager
def running(installation: Installation, role: str, *more: str, user: str = "65532:65532") -> Iterator[tuple[str, int]]:
    name, port = f"stripeline-check-{role}-{secrets.token_hex(3)}", free_port()
    ports = {"ADMIN": port, "INGEST": free_port(), "CONSOLE": free_port()}
    places = [f"--env=STRIPELINE_{which}_PORT={number}" for which, number in ports.items()]
    options = installation.arguments(*places, *ROLES[role], *more, user=user)
    engine("run", "--detach", f"--name={name}", *options, role)
    try:
        yield name, port
    finally:
        engine("rm", "--force", "--volumes", name)


def asked(port: int) -> str | None:
    """None when ready, else what is missing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError as error:
        return str(error)


def until_ready(name: str, port: int) -> float:
    began = time.monotonic()
    while (missing := asked(port)) is not None:
        assert json.loads(engine("inspect", name))[0]["State"]["Running"], engine("logs", name)
        assert time.monotonic() - began < READY_S, f"{missing}\n{engine('logs', name)}"
        time.sleep(0.2)
    return time.monotonic() - began


def stopped(name: str) -> tuple[int, float]:
    began = time.monotonic()
    engine("stop", f"--time={STOP_S}", name)
    return json.loads(engine("inspect", name))[0]["State"]["ExitCode"], time.monotonic() - began


@pytest.mark.parametrize("role", ROLES)
def test_a_role_becomes_ready_and_ends_clean(installation, role, report):
    with running(installation, role) as (name, port):
        ready_s = until_ready(name, port)
        assert '"ready"' in engine("exec", name, *PROBE, "readyz")
        assert '"ok"' in engine("exec", name, *PROBE, "healthz")
        code, stop_s = stopped(name)
        report(f"{role}: ready in {ready_s:.1f} s, ended in {stop_s:.1f} s")
        assert code == 0, engine("logs", name)
        assert stop_s < STOP_S
        assert engine("diff", name) == ""


def test_a_user_without_a_name_or_a_home_may_run_it(installation):
    with running(installation, "worker", user="31337:31337") as (name, port):
        until_ready(name, port)
        assert stopped(name)[0] == 0


def test_the_console_says_where_it_may_not_write(installation):
    with running(installation, "console", "--env=STRIPELINE_CONSOLE_STORE=/console.db") as (name, _):
        engine("wait", name)
        said = engine("logs", name)
    assert "CONSOLE_STORE is the path of a file that this user may write" in said
    assert "Traceback" not in said


def test_an_act_without_a_users_name_is_signed(installation):
    said = engine("run", "--rm", *installation.arguments(), "status", check=False)
    assert "Traceback" not in said
