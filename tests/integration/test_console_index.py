"""The console's index on a real Kafka: it catches up, follows, and is the same however often it is made again."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stripeline.contracts.topics import Topics, parse_tiers
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.topic_index import TopicIndex
from stripeline.deploy.console.record_fetch import RecordFetch
from stripeline.deploy.operations.acts.audit import Signed, commit_acts
from stripeline.deploy.operations.acts.replay import dismissals
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest
from stripeline.deploy.operations.reading.views import dead_letter_of
from tests.support import index_facts
from tests.support.broker import create_topics, delete_topics
from tests.support.console_sample import sample_records
from tests.support.followed_index import (
    caught_up,
    changed,
    contents_of,
    publish,
    rows,
    running,
    until,
)
from tests.support.postgres import own_schema


async def test_it_catches_up_and_follows(topics: Topics, client: Mapping[str, Any], tmp_path: Path) -> None:
    sample = [read for _, read in sample_records()]
    await publish(topics, client, sample)
    where = str(tmp_path / "index.db")
    async with running(where, topics, client) as index:
        await until(index, lambda: caught_up(index))
        state = index.catch_up()
        assert (state.percent, state.missing, state.rebuilds) == (100, {}, 0)
        assert state.read == sum(record.value is not None for record in sample)
        found = await contents_of(index)
        assert [len(found[name]) for name in ("event", "run", "command", "letter")] == [60, 60, 121, 14]
        version = index.version()
        await publish(topics, client, [index_facts.command(0, "live-1", key=b"k")])
        async with asyncio.timeout(10):
            await changed(index, version)
        assert [row["status"] for row in await rows(index, tables.command) if row["command_id"] == "live-1"] == ["sent"]
        found = await contents_of(index)
    await asyncio.to_thread(Path(where).unlink)
    async with running(where, topics, client) as again, running(None, topics, client) as other:
        for one in (again, other):
            await until(one, lambda one=one: caught_up(one))
            assert await contents_of(one) == found


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
        assert index.catch_up().rebuilds == 1
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


async def test_two_consoles_fill_one_database_as_one_does(
    topics: Topics, client: Mapping[str, Any], postgres: str
) -> None:
    where = own_schema(postgres)
    await publish(topics, client, [read for _, read in sample_records()])
    async with running(None, topics, client) as alone:
        await until(alone, lambda: caught_up(alone))
        found = await contents_of(alone)
    async with running(where, topics, client) as one, running(where, topics, client) as other:
        for console in (one, other):
            await until(console, lambda console=console: same_as(console, found))


async def same_as(index: TopicIndex, found: Mapping[str, Any]) -> bool:
    return await contents_of(index) == found


async def test_a_tier_that_is_added_is_read(topics: Topics, client: Mapping[str, Any]) -> None:
    added = topics.retry(parse_tiers("2m")[0])
    record = index_facts.waiting(0, "waits")
    async with running(None, topics, client) as index:
        await until(index, lambda: caught_up(index))
        await create_topics(client["bootstrap_servers"], {added: 2})
        async with AIOKafkaProducer(**client) as producer:
            await producer.send_and_wait(added, record.value, partition=1, headers=[*record.headers.items()])
        [row] = await until(index, lambda: rows(index, tables.command))
    assert (row["command_id"], row["status"], row["tier"]) == ("waits", "waiting", added)
