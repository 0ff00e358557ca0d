"""A task that fails is opened again, whatever it fails with."""

import asyncio
from typing import Any

import pytest

from stripeline.workers.kafka import task_owners
from stripeline.workers.kafka.task_owners import TaskOwners
from stripeline.workers.task.counters import Counts


class FakeTask:
    restoring, open = False, False

    def __init__(self, error: BaseException | None) -> None:
        self.error, self.discarded, self.runs = error, False, asyncio.Event()

    async def start(self, *_: object) -> None:
        if self.error is not None:
            raise self.error

    async def run(self) -> None:
        self.runs.set()
        await asyncio.Event().wait()

    async def discard(self) -> None:
        self.discarded = True


def owners(*tasks: FakeTask) -> TaskOwners[Any]:
    waiting: Any = iter(tasks)
    unused: Any = None
    return TaskOwners(
        lambda *_: next(waiting), beginnings=unused, seek=unused, on_fenced=lambda: None, counts=Counts(), role="router"
    )


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RuntimeError(), TimeoutError()], ids=repr)
async def test_a_task_that_fails_is_opened_again(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka raises CancelledError for a future that it has cancelled itself: nobody cancelled the task."""
    monkeypatch.setattr(task_owners, "REOPEN_AFTER_S", (0.0,))
    first, second = FakeTask(error), FakeTask(None)
    found = owners(first, second)
    found.open_all([0])
    async with asyncio.timeout(5):
        await second.runs.wait()
    assert first.discarded
    await found.close_all(0)
    assert second.discarded
