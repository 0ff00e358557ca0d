"""Workers that keep the states of their tasks in files, on a real Kafka: a start knows what was done, from the file."""

import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.workers.disk.state_cache import StateFolder
from stripeline.workers.packed import state_proof
from tests.support.broker import Broker
from tests.support.scripted_workers import (
    ScriptedStripe,
    ScriptedWorkers,
    customers,
    numbered,
    scripted_workers,
    until,
)


@pytest.fixture
async def workers(
    broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[ScriptedWorkers]:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(state_proof, "_FEW", 1)
    async with scripted_workers(broker.bootstrap_servers, prefix) as opened:
        yield opened


def folder(path: Path) -> StateFolder:
    return StateFolder(path, lambda: time.time_ns() // 1_000_000)


def give(path: Path, changelog: str) -> None:
    """Name the only file as that of another changelog."""
    (file,) = path.iterdir()
    file.rename(path / f"{changelog}-0.state")


async def test_a_killed_workers_file_is_where_the_next_begins(
    workers: ScriptedWorkers, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    names = numbered(0, 20)
    first = workers.start(ScriptedStripe(), files=folder(tmp_path))
    await first.ready()
    await workers.send(*customers(*names[:10]), key="k")
    await until(lambda: "state_file_written" in caplog.text, "the file")
    await workers.send(*customers(*names[10:]), key="k")
    await workers.all_have_results(*names)
    await first.kill()
    second = workers.start(ScriptedStripe(), files=folder(tmp_path))
    await second.ready()
    assert "state_file_loaded" in caplog.text
    await workers.send(*customers(*names, "new"), key="k")
    await workers.all_have_results("new")
    assert second.stripe.commands == ["new"]


async def test_a_file_of_another_log_is_refused(
    workers: ScriptedWorkers, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    names = numbered(0, 5)
    await workers.work_off(*names, key="k")
    first = workers.start(ScriptedStripe(), files=folder(tmp_path))
    await until(lambda: "state_file_written" in caplog.text, "the file of a task that opened without one")
    await first.ready()
    await first.end()
    async with scripted_workers(workers.bootstrap, f"{workers.topics.prefix}2.") as others:
        give(tmp_path, others.topics.ledger)
        await others.work_off(*names[:2], key="k")
        second = others.start(ScriptedStripe(), files=folder(tmp_path))
        await second.ready()
        assert "state_file_refused" in caplog.text
        assert "it is of another partition" in caplog.text
        assert second.worker.tasks[0].restored.state.sizes["commands"] == 2
