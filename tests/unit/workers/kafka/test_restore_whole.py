"""A state is restored whole or not at all: never up to an open transaction only, and past offsets that hold nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.kafka.opening import restore as restoring
from stripeline.workers.kafka.opening.restore import ChangelogReplacedError, RestoredState, Restoring, restore
from stripeline.workers.kafka.partition_reader import PartitionReader
from stripeline.workers.task.open_transaction import OpenTransaction
from tests.support.changelog import Entry, Log, LogConsumer

TP = TopicPartition("stripe.action-ledger", 2)


class Table(dict[str, bytes]):
    """A state that holds what it was given."""

    def restore(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.pop(key, None)
        else:
            self[key] = value


class WaitsError(Exception):
    """The task does not start; its argument says why."""


def stop_at(what: Callable[[], str] | None) -> None:
    if what is not None:
        raise WaitsError(what())


@asynccontextmanager
async def read_from(log: Log, monkeypatch: pytest.MonkeyPatch, **consumer: Any) -> AsyncIterator[None]:
    @asynccontextmanager
    async def reader(*_: Any, **__: Any) -> AsyncIterator[PartitionReader]:
        yield PartitionReader(LogConsumer(log, TP, **consumer))  # type: ignore[arg-type]

    async def open_transaction(tp: TopicPartition, offset: int, _: Any) -> OpenTransaction:
        return OpenTransaction(topic=tp.topic, partition=tp.partition, offset=offset, producer_id=7, producer_epoch=1)

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "partition_reader", reader)
        patched.setattr(restoring, "open_transaction", open_transaction)
        yield


def restoring_of(log: Log, waits: Callable[[Callable[[], str] | None], None] = stop_at) -> Restoring:
    async def append() -> int:
        log.entries.append(Entry("record", None, "end"))
        return log.end

    async def ends(_: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {TP: log.end}

    return Restoring(
        client={"bootstrap_servers": "kafka-1:9092"}, turn=asyncio.Semaphore(1), waits=waits, append=append,
        now_ms=lambda: 0, ends=ends,
    )  # fmt: skip


STEPS = st.lists(
    st.one_of(
        st.builds(Entry, st.just("record"), st.sampled_from(["ours", "stray", None]), st.sampled_from("abc"),
                  st.sampled_from([b"1", b"2", b"3", None])),
        st.builds(Entry, st.sampled_from(["commit", "abort"]), st.sampled_from(["ours", "stray"])),
    ),
    max_size=14,
)  # fmt: skip


@given(steps=STEPS, fetch=st.integers(1, 4))
def test_each_prefix_is_restored_whole_or_not_at_all(steps: list[Entry], fetch: int):
    asyncio.run(each_prefix(Log(list(steps)), fetch))


async def each_prefix(log: Log, fetch: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for length in range(log.end + 1):
            part = log.prefix(length)
            restored = RestoredState(Table(), 0)
            async with read_from(part, monkeypatch, fetch=fetch):
                try:
                    await restore(TP, restored, [], restoring_of(part))
                except WaitsError:
                    assert part.last_stable < part.end, "it waits for nothing"
                else:
                    assert restored.state == part.committed
                    assert (restored.upto, part.last_stable) == (part.end, part.end)


async def test_an_open_transaction_is_named_and_waited_for(monkeypatch):
    log = Log([Entry("record", None, "a", b"1"), Entry("record", "stray", "b"), Entry("record", None, "c", b"3")])
    said: list[str | None] = []
    restored = RestoredState(Table(), 0)

    def waits(what: Callable[[], str] | None) -> None:
        said.append(None if what is None else what())
        if what is not None:
            assert restored.state == {"a": b"1"}
            log.entries.append(Entry("abort", "stray"))
            asyncio.get_running_loop().create_task(fetches())

    async def fetches() -> None:
        consumer.fetch_in_background()

    async with read_from(log, monkeypatch):
        consumer = LogConsumer(log, TP)
        monkeypatch.setattr(restoring, "partition_reader", lambda *_, **__: opened(consumer))
        await restore(TP, restored, [], restoring_of(log, waits))
    assert restored.state == {"a": b"1", "c": b"3"}
    assert len(said) == 2
    assert "a transaction of producer 7 (epoch 1) is open on stripe.action-ledger-2 at offset 1" in str(said[0])
    assert said[1] is None


@asynccontextmanager
async def opened(consumer: LogConsumer) -> AsyncIterator[PartitionReader]:
    yield PartitionReader(consumer)  # type: ignore[arg-type]


@pytest.fixture
def no_patience(monkeypatch):
    monkeypatch.setattr("stripeline.workers.task.restore_progress.EMPTY_AFTER_S", 0.05)


async def test_offsets_that_hold_nothing_are_read_past(monkeypatch, no_patience):
    """By a record behind them: a fetch that brings it has brought all that is before it."""
    log = Log([Entry("record", None, "a", b"1"), None, None])
    said: list[str] = []
    restored = RestoredState(Table(), 0)
    async with read_from(log, monkeypatch):
        await restore(TP, restored, [], restoring_of(log, lambda what: said.append(what()) if what else None))
    assert (restored.state, restored.upto) == ({"a": b"1"}, 4)
    (words,) = said
    assert words.startswith("stripe.action-ledger-2 has neither a record nor a marker from offset 1 to its end 3;")


async def test_a_log_that_brings_nothing_at_all_ends_the_restore(monkeypatch, no_patience):
    log = Log([None, None])
    async with read_from(log, monkeypatch):
        nothing = restoring_of(log, lambda _: None)

        async def append_in_vain() -> int:
            log.entries.append(None)
            return log.end

        with pytest.raises(KafkaError, match="returns no record from offset 0 on"):
            await restore(TP, RestoredState(Table(), 0), [], Restoring(**{**vars(nothing), "append": append_in_vain}))


async def test_a_restore_cut_short_keeps_what_it_read(monkeypatch):
    log = Log([Entry("record", None, key, b"1") for key in "abc"] + [Entry("record", "stray", "d")])
    restored = RestoredState(Table(), 0)
    async with read_from(log, monkeypatch, fetch=2):
        with pytest.raises(WaitsError):
            await restore(TP, restored, [], restoring_of(log))
        assert (restored.state, restored.upto) == ({"a": b"1", "b": b"1", "c": b"1"}, 3)
        log.entries.append(Entry("commit", "stray"))
        restored.state["a"] = b"not read again"
        await restore(TP, restored, [], restoring_of(log))
    assert restored.state["a"] == b"not read again"
    assert restored.upto == 5


async def test_a_changelog_that_was_replaced_is_not_read_on(monkeypatch):
    log = Log([Entry("record", None, "a", b"1")])
    async with read_from(log, monkeypatch):
        with pytest.raises(ChangelogReplacedError, match="ends at 1, before 9"):
            await restore(TP, RestoredState(Table(), 9), [], restoring_of(log))


async def test_restores_take_turns_but_not_while_they_wait(monkeypatch):
    log = Log([Entry("record", "stray", "a", b"1")])
    async with read_from(log, monkeypatch):
        waiting = asyncio.Event()
        started = restoring_of(log, lambda _: waiting.set())
        running = asyncio.create_task(restore(TP, RestoredState(Table(), 0), [], started))
        await waiting.wait()
        assert not started.turn.locked()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
