"""The index: follows the topics without a consumer group, and writes what they say into the store.

The place of each partition is moved in the same transaction.

Invariants:
- A place is in the store only with all that is before it. What was read and not written is read again.
- Whatever ends the reading (Kafka silent for 30 s, a topic made again, another console that was first), it begins
  again where the store is, from the bootstrap list.
- What can't be read stops its own partition, or is passed and named: never the other partitions.
- A store that is of no use is emptied and read again; the log says why.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.index.catch_up import STORE, CatchUp
from stripeline.deploy.console.index.gap_filling import fill_gaps
from stripeline.deploy.console.index.gap_rows import gap_words
from stripeline.deploy.console.index.index_store import IndexStore, open_store, plain_words
from stripeline.deploy.console.index.pruning import prune_steps
from stripeline.deploy.console.index.reading_state import ReadingState
from stripeline.deploy.console.index.row_writer import OtherWriterError
from stripeline.deploy.console.index.topic_reading import RereadError, TopicReading
from stripeline.deploy.failure import FailureError
from stripeline.workers.kafka.control_table import ControlError
from stripeline.workers.kafka.partition_reader import FOLLOW_WAIT_MS, partition_reader

Found = TypeVar("Found")
_FETCH_BYTES: Final = 262_144
"""Of each of a hundred partitions or more, which the consumer holds ahead of what is written."""
_RETRY_S: Final = (0.5, 2.0, 5.0)
_PRUNE_EVERY_S: Final = 3_600.0
_PRUNE_PAUSE_S: Final = 0.05
_FILL_EVERY_S: Final = 600.0
log = structlog.get_logger(__name__)


class TopicIndex:
    """Reads while `run` is awaited.

    words: says what an error of Kafka's means. plan_every_s: how often it looks for topics that came, went, or were
    made again.
    """

    def __init__(
        self, store: IndexStore, topics: Topics, client: Mapping[str, Any], *, window_ms: int,
        words: Callable[[Exception], str] = str, plan_every_s: float = 30.0,
    ) -> None:  # fmt: skip
        self._store, self._topics, self._client = store, topics, client
        self._window_ms, self._words, self._plan_every_s = window_ms, words, plan_every_s
        self._state = ReadingState()

    async def ask(self, query: Callable[[Connection], Found]) -> Found:
        return await self._store.ask(query)

    async def change(self, change: Callable[[Connection], Found]) -> Found:
        return await self._store.change(change)

    def catch_up(self) -> CatchUp:
        return self._state.progress

    def version(self) -> int:
        return self._state.version()

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_forever(), name="console index")
            tasks.create_task(self._prune_forever(), name="console index pruning")
            tasks.create_task(self._fill_forever(), name="console index gaps")

    async def _follow_forever(self) -> None:
        failures = 0
        while True:
            try:
                await self._follow()
            except RereadError:
                failures = 0
                continue
            except OtherWriterError:  # another console is ahead: let it be, for a moment that differs from its own
                self._state.grow()
                self._state.tick()
                await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311  (no secret)
                continue
            except (KafkaError, OSError, TimeoutError, ControlError, FailureError) as error:
                self._failed("Kafka", self._words(error) or type(error).__name__)
            except SQLAlchemyError as error:
                self._failed(STORE, plain_words(error))
            except Exception:
                # The pages go on with what there is, so a fault of the reading must not end it for good.
                log.exception(LogEvent.INDEX_FAILED, reason="a fault of Stripeline")
                self._state.trouble({"the index": "a fault of Stripeline; the console's log has the traceback"})
            self._state.tick()
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    def _failed(self, what: str, why: str) -> None:
        self._state.trouble({what: why})
        log.warning(LogEvent.INDEX_FAILED, reason=f"{what} can't be read: {why}")

    async def _follow(self) -> None:
        async with partition_reader(
            self._client, fetch_wait_ms=FOLLOW_WAIT_MS, max_partition_fetch_bytes=_FETCH_BYTES
        ) as reader:
            reading = TopicReading(reader, self._store, self._topics, self._client, self._state, self._since_ms)
            await reading.begin()
            planned_s = time.monotonic()
            while True:
                await reading.once()
                self._state.tick()
                if time.monotonic() - planned_s >= self._plan_every_s:
                    with contextlib.suppress(KafkaError, OSError, TimeoutError):  # a broker is away: the reads go on
                        await reading.plan_again()
                    planned_s = time.monotonic()

    def _since_ms(self) -> int:
        return int(time.time() * 1000) - self._window_ms

    async def _prune_forever(self) -> None:
        while True:
            try:
                for step in prune_steps(int(time.time() * 1000), self._window_ms):
                    while await self._store.change(step):
                        self._state.grow()
                        await asyncio.sleep(_PRUNE_PAUSE_S)
            except SQLAlchemyError as error:
                log.warning(LogEvent.INDEX_FAILED, reason=f"old rows stay for an hour: {plain_words(error)}")
            await asyncio.sleep(_PRUNE_EVERY_S)

    async def _fill_forever(self) -> None:
        """Read what was left out, once it can be read."""
        while True:
            await asyncio.sleep(_FILL_EVERY_S)
            try:
                await self.fill()
            except Exception as error:  # noqa: BLE001  (each codec's library has its own; the next look is the remedy)
                log.warning(LogEvent.INDEX_FAILED, reason=f"what was left out stays out: {plain_words(error)}")

    async def fill(self) -> None:
        """Look at what was left out. Raises as `fill_gaps` does."""
        if await fill_gaps(self._store, self._topics, self._client, self._since_ms):
            self._state.left_out(await self._store.ask(gap_words))
            self._state.grow()


@contextlib.asynccontextmanager
async def topic_index(
    where: str | None, topics: Topics, client: Mapping[str, Any], *, window_ms: int,
    words: Callable[[Exception], str] = str, plan_every_s: float = 30.0,
) -> AsyncIterator[TopicIndex]:  # fmt: skip
    """An index with its store open; its `run` is the caller's to start.

    where: the path of a file, or `postgresql://…`. None: a file that ends with the process. Raises FailureError.
    """
    with contextlib.ExitStack() as stack:
        store = await asyncio.to_thread(open_store, where or str(_passing_folder(stack) / "index.db"))
        try:
            yield TopicIndex(store, topics, client, window_ms=window_ms, words=words, plan_every_s=plan_every_s)
        finally:
            await store.close()


def _passing_folder(stack: contextlib.ExitStack) -> Path:
    """A folder that ends with the stack. Raises FailureError where nothing can be written."""
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stripeline-console-")))
    except OSError as error:
        raise FailureError(
            f"There is no place for the console's index: {error.strerror or error}. Set STRIPELINE_CONSOLE_STORE to the"
            " path of a file on a volume or to postgresql://…, or let /tmp be written to."
        ) from None
