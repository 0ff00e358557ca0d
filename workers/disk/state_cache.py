"""Keeps the states of a worker's tasks in files, so that a restart reads the changelog only from there on.

    commit:   due ─► image, as the commit is put together ─► confirmed by Kafka ─► a thread writes the file
    opening:  file ─► proved against the changelog ─► a new state ─► the changelog from its offset on

A file only saves time: one that can't be proved, read or written costs none of the state. So nothing is written when a
process ends, and a process that was killed begins as one that was stopped.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.disk.state_file import (
    SUFFIX,
    DamagedFileError,
    delete_old,
    opened_state,
    write_state,
)
from stripeline.workers.packed.state_image import StateImage, load_pieces
from stripeline.workers.packed.state_proof import (
    AT_MOST_MS,
    FORMAT,
    ChangelogNow,
    LastFile,
    StateFileHeader,
    doubt,
    is_due,
)
from stripeline.workers.task.decision import TaskState

S = TypeVar("S", bound=TaskState)
T = TypeVar("T")
Ask = Callable[[int], Awaitable[ChangelogNow]]
"""Asks Kafka for a changelog partition as it is now, and for the record before an offset."""

log = structlog.get_logger()


class StateFolder:
    """The files of one worker. Other processes may use the same folder. One file is written at a time."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        self.path, self.now_ms, self.writing = path, now_ms, False
        self._caches: dict[tuple[str, int], StateCache] = {}

    def of(self, changelog: str, partition: int) -> "StateCache":
        return self._caches.setdefault((changelog, partition), StateCache(self, changelog, partition))


class StateCache:
    """The file of one task.

    topic_id: of the changelog, as Kafka says when the task opens; without one nothing is read or written.
    """

    def __init__(self, folder: StateFolder, changelog: str, partition: int) -> None:
        self._folder, self._changelog, self._partition = folder, changelog, partition
        self._path = folder.path / f"{changelog}-{partition}{SUFFIX}"
        self.topic_id: str | None = None
        self._last: LastFile | None = None
        self._log = log.bind(file=str(self._path))

    async def load(self, new_state: Callable[[], S], ask: Ask) -> tuple[S, int] | None:
        """A new state from the file, and the offset up to which it holds; None without a file that is proved.

        Raises what `ask` raises.
        """
        if self.topic_id is None:
            return None
        began_s = time.monotonic()
        try:
            header, file = await _in_thread(partial(opened_state, self._path))
        except FileNotFoundError:
            return None
        except (OSError, DamagedFileError) as error:
            await self._refuse(str(error))
            return None
        with file:
            now = await ask(header.upto)
            why = doubt(header, topic=self._changelog, topic_id=self.topic_id, partition=self._partition, log=now)
            state = new_state()
            if why is None:
                try:
                    await _in_thread(partial(load_pieces, state, file.read))
                except Exception as error:  # noqa: BLE001  (whatever it is, the changelog has the state too)
                    why = f"it can't be loaded: {type(error).__name__}"
        if why is not None:
            await self._refuse(why)
            return None
        self._last = LastFile(header.upto, header.at_ms)
        self._log.info(LogEvent.STATE_FILE_LOADED, upto=header.upto, took_s=round(time.monotonic() - began_s, 3))
        return state, header.upto

    async def _refuse(self, why: str) -> None:
        self._log.warning(LogEvent.STATE_FILE_REFUSED, why=why)
        with contextlib.suppress(OSError):
            await _in_thread(partial(self._path.unlink, missing_ok=True))

    def image(self, state: TaskState, upto: int) -> Callable[[int], None] | None:
        """While a commit is put together: what to call with the changelog's offset once it is confirmed.

        None where no file is due. `state` has the changes of that commit, and no others beyond `upto`.
        """
        entries, now_ms = sum(state.sizes.values()), self._folder.now_ms()
        due = is_due(self._last, entries=entries, upto=upto, now_ms=now_ms)
        if not due or self._folder.writing or self.topic_id is None:
            return None
        return partial(self._keep, state.image(), self.topic_id)

    def _keep(self, image: StateImage, topic_id: str, upto: int) -> None:
        self._last = LastFile(upto, self._folder.now_ms())
        header = StateFileHeader(
            format=FORMAT, topic=self._changelog, topic_id=topic_id, partition=self._partition, upto=upto,
            at_ms=self._last.at_ms,
        )  # fmt: skip
        self._folder.writing = True
        # A daemon: the process ends without waiting for a disk.
        Thread(target=self._write, args=(header, image), daemon=True).start()

    def _write(self, header: StateFileHeader, image: StateImage) -> None:
        began_s = time.monotonic()
        try:
            size = write_state(self._path, header, image)
            delete_old(self._path.parent, AT_MOST_MS / 1000)
        except Exception as error:  # noqa: BLE001  (whatever it is, the work goes on)
            self._last = LastFile(0, header.at_ms)  # tried again soon
            words = str(error) if isinstance(error, OSError) else type(error).__name__
            self._log.warning(LogEvent.STATE_FILE_NOT_WRITTEN, error=words)
        else:
            took_s = round(time.monotonic() - began_s, 3)
            self._log.info(LogEvent.STATE_FILE_WRITTEN, upto=header.upto, bytes=size, took_s=took_s)
        finally:
            self._folder.writing = False


async def _in_thread(work: Callable[[], T]) -> T:
    """In a thread of its own that the end of the process does not wait for, unlike those of the event loop's pool."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(done)
