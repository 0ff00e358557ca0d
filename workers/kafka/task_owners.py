"""Opens a task for each assigned partition number, reopens one that failed, and closes them when they are revoked.

An error in a task closes that task and opens a new one from the last commit; the process and the other tasks go on.
A fenced task is not reopened: somebody else has the partition, and only the group knows who owns what.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import structlog
from aiokafka.errors import InvalidProducerEpoch, InvalidProducerIdMapping, KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.workers.kafka.opening.restore import RestoredState
from stripeline.workers.kafka.opening.task_opening import Beginnings
from stripeline.workers.kafka.task import Task
from stripeline.workers.kafka.transaction import TRANSACTION_TIMEOUT_MS
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import TaskState

S = TypeVar("S", bound=TaskState)
Seek = Callable[[Mapping[TopicPartition, int]], None]
log = structlog.get_logger()

REOPEN_AFTER_S: Final = (0.1, 0.5, 2.0, 5.0)
"""Pauses before a task is reopened, or a group joined again, the last one for ever."""

_CANCEL_AGAIN_S: Final = 0.5
# Far below delete.retention.ms: a tombstone of another owner must still be in the changelog.
_STATE_KEPT_S: Final = 3_600.0
# A reopened task is not known to be well before its next failure would have shown.
_FAILURE_SHOWS_S: Final = TRANSACTION_TIMEOUT_MS / 1000 + 2


class TaskOwners(Generic[S]):
    """The tasks of one worker, by partition number, each with the asyncio task that runs it.

    new_task: makes a task that is not started, from the state that may be kept.
    beginnings, seek: ask and set the group's consumer.
    words: says what an error of Kafka's means.
    on_fenced: called when a task's partition is somebody else's.
    """

    def __init__(
        self, new_task: Callable[[int, RestoredState[S] | None], Task[S]], *, beginnings: Beginnings, seek: Seek,
        on_fenced: Callable[[], None], counts: Counts, role: str, words: Callable[[BaseException], str] = repr,
    ) -> None:  # fmt: skip
        self._words = words
        self._failures: dict[int, str] = {}
        self.tasks: dict[int, Task[S]] = {}
        self._new_task, self._beginnings, self._seek = new_task, beginnings, seek
        self._on_fenced, self._counts = on_fenced, counts
        self._running: dict[int, asyncio.Task[None]] = {}
        self._failed_s: dict[int, float] = {}
        self._restored: dict[int, tuple[RestoredState[S], float]] = {}
        self._log = log.bind(role=role)

    def open_all(self, numbers: Iterable[int]) -> None:
        """Open the tasks of an assignment in the background: a long restore must not miss the next rebalance.

        A task that comes back goes on with the state that it had. Those of others are dropped: others change them.
        """
        now_s = time.monotonic()
        for number in numbers:
            restored, since_s = self._restored.get(number, (None, now_s))
            fresh = now_s - since_s < _STATE_KEPT_S
            self.tasks[number] = self._new_task(number, restored if fresh else None)
            self._running[number] = asyncio.create_task(self._own(number))
        self._restored.clear()

    def failed_lately(self, number: int) -> bool:
        return time.monotonic() - self._failed_s.get(number, -math.inf) < _FAILURE_SHOWS_S

    def failure(self, number: int) -> str | None:
        """Why a task failed lately, in words."""
        return self._failures.get(number) if self.failed_lately(number) else None

    async def close_all(self, drain_s: float) -> None:
        """Close every task; each waits for its calls in flight, at most `drain_s`."""
        await asyncio.gather(*(self._close(number, drain_s) for number in list(self.tasks)))

    async def _own(self, number: int) -> None:
        """Run a task, and open a new one from the last commit when it fails."""
        failures = 0
        while (task := self.tasks.get(number)) is not None:
            try:
                await task.start(self._beginnings, self._seek)
                await task.run()
            except (ProducerFenced, InvalidProducerEpoch):
                # To take the partition back would fence the rightful owner.
                self._happened(WorkerEvent.FENCED, partition=number)
                await task.discard()
                self._on_fenced()
                return
            except (Exception, asyncio.CancelledError) as error:  # closes the task, not the process
                if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                    raise
                if _is_expiry(error):
                    self._happened(WorkerEvent.PRODUCER_EXPIRED, partition=number)
                    await self._replace(number, task, error)
                    continue
                self._failures[number] = self._words(error)
                self._happened(WorkerEvent.TASK_FAILED, partition=number, error=self._failures[number])
                failures = failures + 1 if self.failed_lately(number) else 0
                self._failed_s[number] = time.monotonic()
                await self._replace(number, task, error, REOPEN_AFTER_S[min(failures, len(REOPEN_AFTER_S) - 1)])
            else:
                return

    async def _replace(self, number: int, task: Task[S], error: BaseException, after_s: float = 0.0) -> None:
        await task.discard()
        await asyncio.sleep(after_s)
        if self.tasks.get(number) is task:
            # A restore that Kafka interrupted goes on from where it was.
            goes_on = task.restoring and isinstance(error, (KafkaError, OSError, TimeoutError))
            self.tasks[number] = self._new_task(number, task.restored if goes_on else None)

    def _happened(self, event: WorkerEvent, **details: Any) -> None:
        self._counts.events[event] += 1
        self._log.warning(event, **details)

    async def _close(self, number: int, drain_s: float) -> None:
        task, running = self.tasks.pop(number, None), self._running.pop(number, None)
        if task is None or running is None:
            return
        restored = await task.close(drain_s) if task.open else None
        await _cancelled(running)
        if restored is None:
            await task.discard()
        if task.restoring:
            restored = task.restored  # a part of the changelog, whose rest is read when the partition comes back
        if restored is not None:
            self._restored[number] = restored, time.monotonic()


async def _cancelled(running: asyncio.Task[None]) -> None:
    """Cancel until it ends: aiokafka 0.14's clients swallow a cancellation that meets them while they close."""
    while not running.done():
        running.cancel()
        await asyncio.wait((running,), timeout=_CANCEL_AGAIN_S)


def _is_being_cancelled() -> bool:
    """Whether a CancelledError means this task. aiokafka also raises one for a future of its own that was cancelled."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _is_expiry(error: BaseException) -> bool:
    """Kafka forgets a transactional id after transactional.id.expiration.ms of silence, by default a week."""
    return any(isinstance(one, InvalidProducerIdMapping) for one in (error, error.__cause__))
