"""Where the index is kept: SQLite in a file, or PostgreSQL by its URL. The same tables and queries for both.

SQLAlchemy's calls block, so they run in threads: one for changes, a few for questions.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from stripeline.contracts.masking import mask_text
from stripeline.deploy.console.index.tables import metadata
from stripeline.deploy.failure import FailureError

Found = TypeVar("Found")
_READERS: Final = 4
_BUSY_S: Final = 10
_CONNECT_S: Final = 10


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
    """A store with its tables. where: the path of a file, or `postgresql://…`. Raises FailureError."""
    try:
        engine = _postgres(where) if "://" in where else _sqlite(Path(where))
        _require_own(engine)
        metadata.create_all(engine)
    except (OSError, SQLAlchemyError) as error:
        raise FailureError(
            f"The console's index can't be opened: {plain_words(error)}. CONSOLE_STORE is the path of a file that this"
            " user may write, or the URL of a PostgreSQL database in which it may create tables."
        ) from None
    return IndexStore(engine)


def plain_words(error: Exception) -> str:
    """An error of the database, in one line: without the statement and its values, which SQLAlchemy shows."""
    cause = getattr(error, "orig", None) or error
    return mask_text(" ".join(str(cause).split())) or type(cause).__name__


def _require_own(engine: Engine) -> None:
    """The index is deleted when it is of no use: it must never be somebody else's tables of the same names."""
    there = set(inspect(engine).get_table_names())
    taken = sorted(there & {table.name for table in metadata.sorted_tables})
    if taken and "meta" not in there:
        engine.dispose()
        raise FailureError(
            f"The database of CONSOLE_STORE has tables that are not the console's: {', '.join(taken)}. Give the console"
            " a database or a schema of its own, such as `postgresql://…/stripeline_console`."
        )


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
    try:
        return create_engine(
            make_url(url).set(drivername="postgresql+psycopg"), pool_size=_READERS + 1, pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_S},
        )  # fmt: skip
    except ModuleNotFoundError:
        raise FailureError("An index in PostgreSQL needs its driver: `pip install 'stripeline[postgres]'`.") from None
