"""A worker's files: written beside the work once they are due, and used at a start if they are proved."""

import asyncio
from pathlib import Path
from threading import Event

import pytest

from stripeline.contracts.internal_records import LedgerCommand
from stripeline.workers.disk import state_cache
from stripeline.workers.disk.state_cache import StateFolder
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.packed import state_proof
from stripeline.workers.packed.state_proof import ChangelogNow
from tests.support.scripted_workers import until

NOW = 1_790_000_000_000
TOPIC = "stripe.action-ledger"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateFolder:
    monkeypatch.setattr(state_proof, "_FEW", 2)
    return StateFolder(tmp_path, lambda: NOW)


def cache_of(folder, topic_id="id"):
    cache = folder.of(TOPIC, 0)
    cache.topic_id = topic_id
    return cache


def ledger(count):
    made = Ledger()
    for number in range(count):
        made.apply(f"command/{number}", LedgerCommand(status="succeeded", digest="d", revision=0, at_ms=7))
    return made


async def written(folder, state, upto):
    cache_of(folder).image(state, upto - 1)(upto)
    await until(lambda: not folder.writing, "the file")


async def loaded(folder, *, topic_id="id", end=100, now_ms=NOW):
    """By another process."""

    async def ask(upto):
        assert upto == 9
        return ChangelogNow(first=0, end=end, last_ms=NOW, now_ms=now_ms)

    return await cache_of(StateFolder(folder.path, lambda: now_ms), topic_id).load(Ledger, ask)


async def test_a_start_has_the_state_of_the_commit_and_its_offset(folder):
    state = ledger(5)
    keep = cache_of(folder).image(state, 6)
    state.apply("command/later", LedgerCommand(status="succeeded", digest="d", revision=0, at_ms=7))
    keep(9)
    await until(lambda: not folder.writing, "the file")
    found, upto = await loaded(folder)
    assert (upto, found.sizes["commands"], found.known("later")) == (9, 5, None)


async def test_a_state_of_few_entries_is_not_written(folder):
    assert cache_of(folder).image(ledger(1), 6) is None


async def test_without_the_topics_id_nothing_is_written_or_read(folder):
    await written(folder, ledger(5), 9)
    assert cache_of(folder, topic_id=None).image(ledger(50), 99) is None
    assert await loaded(folder, topic_id=None) is None
    assert len(list(folder.path.iterdir())) == 1


async def test_a_file_is_written_again_after_a_minute_of_changes(folder):
    await written(folder, ledger(5), 9)
    cache = folder.of(TOPIC, 0)
    assert cache.image(ledger(9), 99) is None
    folder.now_ms = lambda: NOW + 60_000
    assert cache.image(ledger(9), 10) is None
    cache.image(ledger(9), 99)(100)
    await until(lambda: not folder.writing, "the file")
    assert folder.of(TOPIC, 0) is cache


async def test_one_file_of_a_worker_is_written_at_a_time(folder):
    folder.writing = True
    assert cache_of(folder).image(ledger(5), 6) is None


@pytest.mark.parametrize("change", [{"topic_id": "new"}, {"end": 8}, {"now_ms": NOW + state_proof.AT_MOST_MS}])
async def test_a_file_in_doubt_is_deleted_and_says_why(folder, change, caplog):
    await written(folder, ledger(5), 9)
    assert await loaded(folder, **change) is None
    assert list(folder.path.iterdir()) == []
    assert caplog.text.count("state_file_refused") == 1


async def test_a_damaged_file_is_deleted(folder, caplog):
    await written(folder, ledger(5), 9)
    (path,) = folder.path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert await loaded(folder) is None
    assert (list(folder.path.iterdir()), "its checksum is wrong" in caplog.text) == ([], True)


async def test_a_file_that_can_not_be_loaded_is_deleted(folder, monkeypatch, caplog):
    await written(folder, ledger(5), 9)

    def load_pieces(*_):
        raise ValueError("sk_live_secret")

    monkeypatch.setattr(state_cache, "load_pieces", load_pieces)
    assert await loaded(folder) is None
    assert list(folder.path.iterdir()) == []
    assert ("it can't be loaded: ValueError" in caplog.text, "sk_live_secret" in caplog.text) == (True, False)


async def test_a_file_stays_when_kafka_can_not_be_asked(folder):
    await written(folder, ledger(5), 9)

    async def ask(_):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await cache_of(StateFolder(folder.path, lambda: NOW)).load(Ledger, ask)
    assert (await loaded(folder))[1] == 9


async def test_without_a_file_nobody_is_asked(folder):
    assert await cache_of(folder).load(Ledger, None) is None


async def test_a_disk_that_takes_nothing_is_told_and_tried_again(folder, caplog):
    folder.path = folder.path / "file"
    folder.path.touch()
    await written(folder, ledger(5), 9)
    assert "state_file_not_written" in caplog.text
    assert folder.of(TOPIC, 0).image(ledger(5), 9) is None
    folder.now_ms = lambda: NOW + 60_000
    assert folder.of(TOPIC, 0).image(ledger(5), 9) is not None


async def test_a_start_that_is_cancelled_does_not_wait_for_the_disk(folder, monkeypatch):
    await written(folder, ledger(5), 9)
    begun, goes_on = Event(), Event()

    def slow(*_):
        begun.set()
        goes_on.wait(20)

    monkeypatch.setattr(state_cache, "load_pieces", slow)
    starting = asyncio.create_task(loaded(folder))
    await until(begun.is_set, "the load")
    starting.cancel()
    await asyncio.wait((starting,), timeout=5)
    goes_on.set()
    assert starting.cancelled()
