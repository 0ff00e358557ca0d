"""The console's index on a real Kafka: it catches up, follows, and is the same however often it is made again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from sqlalchemy import Table

from stripeline.contracts.topics import Topics, parse_tiers
from stripeline.deploy.console.index import isolated_reads, tables
from stripeline.deploy.console.index.topic_index import TopicIndex, topic_index
from stripeline.deploy.console.record_fetch import RecordFetch
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.deploy.operations.acts.audit import Signed, commit_acts
from stripeline.deploy.operations.acts.replay import dismissals
from stripeline.deploy.operations.reading.topic_reader import Read, Wanted, newest
from stripeline.deploy.operations.reading.views import dead_letter_of
from stripeline.deploy.operations.topics import apply
from stripeline.workers.task import stalled_reads
from tests.support import index_facts, spoiled_log
from tests.support.broker import Broker, create_topics, delete_topics
from tests.support.console_sample import sample_records
from tests.support.index_facts import contents
from tests.support.records import INSTALLATION
from tests.support.spoiled_log import spoil

WINDOW_MS = 7 * 86_400_000
ALL = (tables.event, tables.run, tables.command, tables.letter, tables.audit, tables.tally)


@pytest.fixture
def topics(prefix: str) -> Topics:
    return Topics(prefix=prefix, tiers=parse_tiers("5s,30s"))


@pytest.fixture
async def client(broker: Broker, topics: Topics) -> Mapping[str, Any]:
    """Options of a Kafka that has the topics of one installation."""
    options = {"bootstrap_servers": broker.bootstrap_servers}
    await apply(topics, 2, options, wanted=INSTALLATION)
    return options


async def publish(topics: Topics, client: Mapping[str, Any], records: Sequence[Read], **options: Any) -> None:
    """Of other prefixes and more partitions, onto these topics."""
    async with AIOKafkaProducer(**client, **options) as producer:
        for record in records:
            await producer.send(
                record.topic.replace("stripe.", topics.prefix, 1), record.value, key=record.key,
                partition=record.partition % 2, headers=[*record.headers.items()],
            )  # fmt: skip
        await producer.flush()


@asynccontextmanager
async def running(where: str | None, topics: Topics, client: Mapping[str, Any]) -> AsyncIterator[TopicIndex]:
    async with topic_index(where, topics, client, window_ms=WINDOW_MS, plan_every_s=0.5) as index:
        task = asyncio.create_task(index.run())
        try:
            yield index
        finally:
            task.cancel()
            await asyncio.wait([task])


async def rows(index: TopicIndex, table: Table) -> list[dict[str, Any]]:
    return await index.ask(lambda db: contents(db, table))


async def until(index: TopicIndex, holds: Callable[[], Any], within_s: float = 30) -> Any:
    """What it returns once it is true of the index."""
    version, ends_s = 0, time.monotonic() + within_s
    while not (found := await holds()):
        assert time.monotonic() < ends_s, index.catch_up()
        async with asyncio.timeout(within_s):
            version = await changed(index, version)
    return found


async def changed(index: TopicIndex, version: int) -> int:
    """Wait until the version is another one, as a live stream does."""
    while index.version() == version:  # noqa: ASYNC110  (it has no notice)
        await asyncio.sleep(0.05)
    return index.version()


async def caught_up(index: TopicIndex) -> bool:
    return index.catch_up().caught_up


async def test_it_catches_up_and_follows(topics: Topics, client: Mapping[str, Any], tmp_path: Path) -> None:
    sample = [read for _, read in sample_records()]
    await publish(topics, client, sample)
    where = str(tmp_path / "index.db")
    async with running(where, topics, client) as index:
        await until(index, lambda: caught_up(index))
        state = index.catch_up()
        assert (state.percent, state.missing) == (100, {})
        assert state.read == sum(record.value is not None for record in sample)
        found = {table.name: await rows(index, table) for table in ALL}
        assert [len(found[name]) for name in ("event", "run", "command", "letter")] == [60, 60, 121, 14]
        version = index.version()
        await publish(topics, client, [index_facts.command(0, "live-1", key=b"k")])
        async with asyncio.timeout(10):
            await changed(index, version)
        assert [row["status"] for row in await rows(index, tables.command) if row["command_id"] == "live-1"] == ["sent"]
        found = {table.name: await rows(index, table) for table in ALL}
    await asyncio.to_thread(Path(where).unlink)
    async with running(where, topics, client) as again, running(None, topics, client) as other:
        for one in (again, other):
            await until(one, lambda one=one: caught_up(one))
            assert {table.name: await rows(one, table) for table in ALL} == found


async def test_a_dismissed_letter_becomes_dismissed(topics: Topics, client: Mapping[str, Any]) -> None:
    await publish(topics, client, [index_facts.letter(0)])
    async with running(None, topics, client) as index:
        [row] = await until(index, lambda: rows(index, tables.letter))
        assert row["state"] == "open"
        page = await newest(topics.dead_letter, client, Wanted(keep=lambda _: True, limit=10))
        letters = [dead_letter_of(read) for read in page.records]
        signed = Signed(by="ada@example.com", why="charged by hand", at_ms=1)
        await commit_acts(topics, client, dismissals(letters, signed), rate_per_s=100)

        async def dismissed() -> bool:
            return [row["state"] for row in await rows(index, tables.letter)] == ["dismissed"]

        await until(index, dismissed)


async def test_a_topic_that_is_made_again_is_read_again(
    topics: Topics, client: Mapping[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await publish(topics, client, [index_facts.command(0, "old-1"), index_facts.letter(0)])
    async with running(str(tmp_path / "index.db"), topics, client) as index:
        await until(index, lambda: rows(index, tables.command))
        await delete_topics(client["bootstrap_servers"], [topics.command])
        await create_topics(client["bootstrap_servers"], {topics.command: 2})
        await publish(topics, client, [index_facts.command(0, "new-1")])

        async def only_new() -> bool:
            return [row["command_id"] for row in await rows(index, tables.command)] == ["new-1"]

        await until(index, only_new, within_s=60)
        await until(index, lambda: rows(index, tables.letter))
    assert f"{topics.command} was deleted and created again" in caplog.text


async def test_an_aborted_transaction_is_not_shown(topics: Topics, client: Mapping[str, Any]) -> None:
    producer = AIOKafkaProducer(**client, transactional_id=f"{topics.prefix}test")
    async with running(None, topics, client) as index, producer:
        await producer.begin_transaction()
        record = index_facts.command(0, "aborted-1")
        await producer.send_and_wait(topics.command, record.value, key=b"k", partition=0)
        await producer.abort_transaction()
        await publish(topics, client, [index_facts.command(0, "done-1")])
        [row] = await until(index, lambda: rows(index, tables.command))
        assert row["command_id"] == "done-1"


async def test_a_missing_topic_is_named(topics: Topics, client: Mapping[str, Any]) -> None:
    await delete_topics(client["bootstrap_servers"], [topics.audit])
    async with running(None, topics, client) as index:
        await until(index, lambda: caught_up(index))
        assert "stripeline topics apply" in index.catch_up().missing[topics.audit]
        await create_topics(client["bootstrap_servers"], {topics.audit: 2})

        async def there() -> bool:
            return not index.catch_up().missing

        await until(index, there)


async def test_a_record_is_fetched_by_its_place(topics: Topics, client: Mapping[str, Any]) -> None:
    await publish(topics, client, [index_facts.command(0, f"c-{number}") for number in range(5)])
    async with RecordFetch(client) as records:
        places = [(topics.command, 0, 3), (topics.command, 0, 1), (topics.command, 1, 7), (f"{topics.prefix}no", 0, 0)]
        found = await records.many(places)
        assert sorted(found) == places[1::-1]
        read = await records.at(*places[0])
        assert read is not None
        assert b"c-3" in (read.value or b"")
        assert await records.at(topics.command, 0, 99) is None


READABLE_AGAIN = spoiled_log.wrong_checksum
FAULTS = (READABLE_AGAIN, spoiled_log.wrong_header, spoiled_log.unknown_codec, spoiled_log.no_records_of_its_codec)
"""Of which the first one is undone by doing it twice."""


async def batch(client: Mapping[str, Any], topic: str, number: int, *command_ids: str) -> None:
    """Commands in one batch."""
    async with AIOKafkaProducer(**client) as producer:
        made = producer.create_batch()
        for command_id in command_ids:
            made.append(key=b"k", value=index_facts.command(0, command_id).value, timestamp=None)
        made.close()
        await (await producer.send_batch(made, topic, partition=number))


async def test_what_can_not_be_read_is_left_out_and_named(
    own_broker: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled_reads, "STALLED_AFTER_S", 0.5)
    monkeypatch.setattr(isolated_reads, "_STALLS_EVERY_S", 0.2)
    topics, client = Topics(prefix=prefix, tiers=()), {"bootstrap_servers": own_broker.bootstrap_servers}
    await apply(topics, 6, client, wanted=INSTALLATION)
    for number in range(6):
        first = () if number == 3 else (f"before-{number}",)
        for ids in (first, (f"bad-{number}-1", f"bad-{number}-2"), (f"after-{number}",)):
            if ids:
                await batch(client, topics.command, number, *ids)
    for number, fault in enumerate((*FAULTS, spoiled_log.length_of_nothing)):
        spoil(own_broker, TopicPartition(topics.command, number), 1, fault)
    async with running(None, topics, client) as index:

        async def known() -> set[str]:
            return {row["command_id"] for row in await rows(index, tables.command)}

        whole = {f"{what}-{number}" for number in range(5) for what in ("before", "after")} - {"before-3", "after-4"}
        whole |= {"before-5", "bad-5-1", "bad-5-2", "after-5"}
        await until(index, lambda: holds(whole, known))
        await until(index, lambda: holds(1, lambda: length(index.catch_up().missing)))
        state = index.catch_up()
        places = [(0, 1, 2), (1, 1, 2), (2, 1, 2), (3, 0, 1)]
        names = [f"{topics.command}-{number}, offsets {first} to {last}" for number, first, last in places]
        assert list(state.gaps) == names
        assert "its checksum is wrong" in state.gaps[names[0]]
        assert "its codec is" in state.gaps[names[2]]
        assert not state.whole
        [(stuck, why)] = state.missing.items()
        assert stuck == f"{topics.command}-4 from offset 1 on"
        assert "its broker can't read its own log there" in why
        await batch(client, topics.command, 0, "live")
        await until(index, lambda: holds(whole | {"live"}, known))
        spoil(own_broker, TopicPartition(topics.command, 0), 1, READABLE_AGAIN)
        await index.fill()
        assert await known() == whole | {"live", "bad-0-1", "bad-0-2"}
        assert list(index.catch_up().gaps) == names[1:]


async def length(of: Mapping[str, str]) -> int:
    return len(of)


async def holds(wanted: object, found: Callable[[], Any]) -> bool:
    return bool(await found() == wanted)
