"""Records that Kafka removes before they are read: the log, a counter and one dead letter name them, on every input."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.opening import openings
from stripeline.workers.roles import RouterRole
from stripeline.workers.router.router import Router
from stripeline.workers.task.watermark import Watermark
from tests.support.broker import Broker, admin
from tests.support.records import installation
from tests.support.scripted_workers import (
    ScriptedStripe,
    ScriptedWorkers,
    customers,
    numbered,
    scripted_workers,
    until,
)


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix, tiers="300ms,1h") as opened:
        yield opened


async def remove(workers: ScriptedWorkers, topic: str, before: int) -> None:
    """As retention does, at once."""
    client: AIOKafkaAdminClient
    async with admin(workers.bootstrap) as client:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=before)})


async def letters(workers: ScriptedWorkers, count: int) -> list[dict[str, bytes]]:
    async def there() -> bool:
        return len(await workers.read(workers.topics.dead_letter)) >= count

    await until(there, f"{count} dead letters")
    return [dict(h.read(letter.headers)) for letter in await workers.read(workers.topics.dead_letter)]


def of(letter: dict[str, bytes]) -> tuple[str, str, int, int]:
    topic, first, last = (letter[name].decode() for name in (h.ORIGIN_TOPIC, h.ORIGIN_OFFSET, h.ORIGIN_LAST_OFFSET))
    return letter[h.REASON].decode(), topic, int(first), int(last)


async def test_commands_lost_while_it_was_down_are_told_once(
    workers: ScriptedWorkers, caplog: pytest.LogCaptureFixture
) -> None:
    topic = workers.topics.command
    await workers.work_off("first", key="k")
    await workers.send(*customers(*numbered(0, 40)))
    await remove(workers, topic, 31)
    stripe = ScriptedStripe()
    running = workers.start(stripe)
    await workers.all_have_results(*numbered(30, 10))
    (letter,) = await letters(workers, 1)
    assert of(letter) == ("lost_by_retention", topic, 1, 30)
    assert running.worker.counts.lost_offsets[topic] == 30
    (lost,) = told(caplog, LogEvent.OFFSETS_LOST)
    assert all(part in lost for part in (f"topic='{topic}'", "partition=0", "first=1", "last=30"))
    await workers.no_lag(topic)
    await running.end()
    again = workers.start(stripe)
    await again.ready()
    await workers.send(*customers("last"))
    await workers.all_have_results("last")
    assert len(await letters(workers, 1)) == 1
    assert again.worker.counts.lost_offsets == {}


async def test_a_log_that_moves_beyond_a_running_task_is_told(workers: ScriptedWorkers) -> None:
    """Retention takes commands that were not read yet: the consumer's position is gone while it runs."""
    topic = workers.topics.command
    stripe = ScriptedStripe()
    running = workers.start(stripe)
    await running.ready()
    task, tp, consumer = running.worker.tasks[0], TopicPartition(topic, 0), running.worker._consumer
    assert consumer is not None
    consumer.pause(tp)  # as if it had no room for more
    await workers.send(*customers(*numbered(0, 20)))
    await remove(workers, topic, 15)
    consumer.resume(tp)
    await workers.all_have_results(*numbered(15, 5))
    (letter,) = await letters(workers, 1)
    assert of(letter) == ("lost_by_retention", topic, 0, 14)
    assert running.worker.counts.events["session_failed"] == running.worker.counts.events["task_failed"] == 0
    await workers.no_lag(topic)
    assert task.inputs[tp].watermark.position == 20


async def test_every_input_topic_of_both_roles_tells_its_losses(workers: ScriptedWorkers) -> None:
    topics = workers.topics
    router = RouterRole(topics, Router(topics=topics, installation=installation, workflows=lambda _: {}))
    roles = (("executor", [topics.command, *topics.retries], None), ("router", [*topics.events, topics.result], router))
    expected = set()
    for name, inputs, role in roles:
        for topic in inputs:
            await workers.put(topic, (b"k", b"poison"))
        running = workers.start(ScriptedStripe(), role=role)
        await running.ready()
        await workers.no_lag(*inputs, group=name)
        await running.end()
        for topic in inputs:
            end = (await workers.committed(topic, name)).offset
            await workers.put(topic, *[(b"k", b"poison")] * 3)
            await remove(workers, topic, end + 2)
            expected.add(("lost_by_retention", topic, end, end + 1))
        again = workers.start(ScriptedStripe(), role=role)
        await again.ready()
        await workers.no_lag(*inputs, group=name)
        await again.end()
    found = {of(letter) for letter in await letters(workers, 1) if letter[h.REASON] == b"lost_by_retention"}
    assert found == expected


async def test_a_new_group_on_an_old_topic_lost_nothing(workers: ScriptedWorkers) -> None:
    await workers.send(*customers(*numbered(0, 5)))
    await remove(workers, workers.topics.command, 3)
    running = workers.start(ScriptedStripe())
    await workers.all_have_results(*numbered(3, 2))
    assert await workers.read(workers.topics.dead_letter) == []
    assert running.worker.counts.lost_offsets == {}


def told(caplog: pytest.LogCaptureFixture, event: LogEvent) -> list[str]:
    return [line for line in caplog.text.splitlines() if event in line]


async def test_commits_that_kafka_forgot_are_told(
    workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The group was empty for longer than Kafka keeps its offsets; the changelog still knows what was done."""
    topic = workers.topics.command
    await workers.work_off("first", "second", key="k")
    await remove(workers, topic, 1)

    async def forgotten(*_: Any) -> dict[TopicPartition, Watermark]:
        return {}

    monkeypatch.setattr(openings, "watermarks", forgotten)
    stripe = ScriptedStripe()
    running = workers.start(stripe)
    await running.ready()
    await workers.send(*customers("third"), key="k")
    await workers.all_have_results("first", "second", "third")
    assert stripe.commands == ["third"]
    (line,) = told(caplog, LogEvent.COMMITS_EXPIRED)
    assert f"topic='{topic}'" in line
    assert "first=1" in line
    assert await workers.read(workers.topics.dead_letter) == []


async def test_a_log_that_ends_before_what_was_read_is_read_whole(
    workers: ScriptedWorkers, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a broker without the newest records became leader, under a running task."""
    tp = TopicPartition(workers.topics.command, 0)
    running = workers.start(ScriptedStripe())
    await running.ready()
    assert running.worker._consumer is not None
    running.worker.tasks[0].inputs[tp].begin(Watermark(100, mark="of.these"), 100, 0)
    running.worker._consumer.seek(tp, 100)
    await workers.send(*customers(*numbered(0, 3)))
    assert sorted(await workers.all_have_results(*numbered(0, 3))) == numbered(0, 3)
    (line,) = told(caplog, LogEvent.LOG_TRUNCATED)
    assert f"topic='{tp.topic}'" in line
    assert "read_to=100" in line
    await workers.no_lag(tp.topic)
    assert running.worker.tasks[0].inputs[tp].watermark.mark == "of.these"
    assert running.worker.counts.events["session_failed"] == 0
