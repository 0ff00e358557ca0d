"""Where the index is kept: SQLite in a file, or PostgreSQL by its URL. The same tables and queries for both.

SQLAlchemy's calls block, so they run in threads: one for changes, a few for questions.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from stripeline.deploy.console.index.tables import metadata

Found = TypeVar("Found")
_READERS: Final = 4
_BUSY_S: Final = 10


class IndexStore:
    """An open store. Close it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="console-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="console-write")

    async def ask(self, query: Callable[[Connection], Found]) -> Found:
        """The answer of a query, in a thread."""

        def asked() -> Found:
            with self._engine.connect() as connection:
                return query(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, asked)

    async def change(self, change: Callable[[Connection], Found]) -> Found:
        """What a change returns, after its transaction, in the thread of the changes."""

        def changed() -> Found:
            with self._engine.begin() as connection:
                return change(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writer, changed)

    async def close(self) -> None:
        for pool in (self._readers, self._writer):
            await asyncio.to_thread(pool.shutdown)
        self._engine.dispose()


def open_store(where: str) -> IndexStore:
    """A store with its tables. where: the path of a file, or `postgresql://…`."""
    engine = _postgres(where) if "://" in where else _sqlite(Path(where))
    metadata.create_all(engine)
    return IndexStore(engine)


def _sqlite(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # before SQLite creates it readable for all
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        # A write-ahead log lets pages read while the index is written; what a crash loses is read again from Kafka.
        for setting in ("journal_mode=WAL", "synchronous=OFF", "temp_store=MEMORY", "cache_size=-65536"):
            connection.execute(f"PRAGMA {setting}")

    return engine


def _postgres(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_size=_READERS + 1, pool_pre_ping=True)
