"""A real PostgreSQL for the tests: Debian's, in a folder that is deleted, on a port of this machine alone."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from stripeline.deploy.local.kafka import free_port

_INSTALLED = "/usr/lib/postgresql"
_START_S = 60
_NOBODY = "nobody"


def _binaries() -> Path:
    found = sorted(Path(_INSTALLED).glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if not found:
        raise AssertionError("This test needs PostgreSQL: `apt-get install postgresql` (its service need not run).")
    return found[-1].parent


def _user() -> dict[str, object]:
    """PostgreSQL refuses to run as root: another user who may do nothing runs it then."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(_NOBODY)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database of a server that nobody else uses."""
    binaries, user, port = _binaries(), _user(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="stripeline-postgres-"))
    if "user" in user:
        os.chown(folder, user["user"], user["group"])  # type: ignore[arg-type]
    try:
        data, log = folder / "data", folder / "log"
        _run(binaries / "initdb", "-D", data, "-U", "stripeline", "-A", "trust", "-E", "UTF8", "--no-sync", **user)
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c full_page_writes=off"
        server = ("-D", data, "-l", log, "-o", settings, "-w", "-t", str(_START_S))
        _run(binaries / "pg_ctl", *server, "start", **user)
        try:
            yield f"postgresql://stripeline@127.0.0.1:{port}/postgres"
        finally:
            _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", **user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own_schema(url: str) -> str:
    """The URL of an empty schema of a server: what a test makes there no other test sees."""
    schema = f"t{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    return f"{url}?options=-csearch_path%3D{schema}"


def _run(*words: object, **user: object) -> None:
    done = subprocess.run(
        [str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
        timeout=2 * _START_S, check=False, **user,
    )  # type: ignore[call-overload]  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{words[0]} failed: {done.stdout}{done.stderr}")
