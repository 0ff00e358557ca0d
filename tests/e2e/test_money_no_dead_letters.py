"""The dead-letter topic is gone while a record needs it: nothing is committed past it, and the executor says so."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiokafka.structs import TopicPartition

from stripeline.deploy.operations.topics import apply as apply_topics
from tests.support.broker import Broker, admin, delete_topics
from tests.support.cluster import Cluster, Process, cluster
from tests.support.end_state import no_lag, read_topic
from tests.support.money import Order, effects, ended, order, results, until

SETTINGS = {"retry_tiers": "200ms,400ms", "reconcile_after": "500ms"}
POISON = b"\x00poison"


def on(partition: int, *names: str) -> list[Order]:
    return [Order(id=f"{name}-{partition}", key=b"k-%d" % partition, partition=partition) for name in names]


async def produce(found: Cluster) -> None:
    """A poison record between two commands of partition 0, and two commands of each other partition."""
    before, after = on(0, "before", "after")
    poison = Poison(id="poison", key=b"p", partition=0)
    others = [one for partition in (1, 2, 3) for one in on(partition, "one", "two")]
    await order(found, [before, poison, after, *others])


class Poison(Order):
    @property
    def value(self) -> bytes:
        return POISON


async def said(process: Process) -> str:
    url = f"http://127.0.0.1:{process.admin_port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return "" if answer.status == 200 else await answer.text()


async def committed(found: Cluster) -> int:
    """How far partition 0 of the commands is committed."""
    tp = TopicPartition(found.settings.topics.command, 0)
    async with admin(found.settings.kafka_bootstrap_servers) as client:
        offsets = await client.list_consumer_group_offsets(f"{found.settings.topic_prefix}executor", partitions=[tp])
    return max(offsets[tp].offset, 0) if tp in offsets else 0


async def not_ready_through_a_failure(executor: Process) -> list[str]:
    """What /readyz says from the first time that it is not ready until the task has failed and been opened anew."""
    answers: list[str] = []
    async with asyncio.timeout(40):
        while executor.log.read_text().count("task_failed") < 1 or len(answers) < 100:
            answer = await said(executor)
            if answer or answers:
                answers.append(answer)
            await asyncio.sleep(0.05)
    return answers


@pytest.mark.long
async def test_without_a_dead_letter_topic_nothing_past_poison_commits(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, **SETTINGS) as found:
        executor = found.add("executor-0", "executor")
        await found.ready()
        topics = found.settings.topics
        await delete_topics(broker.bootstrap_servers, [topics.dead_letter])
        await produce(found)
        others = [f"{name}-{partition}" for partition in (1, 2, 3) for name in ("one", "two")]
        await ended(found, others, within_s=5)
        answers = await not_ready_through_a_failure(executor)
        assert "" not in answers, "ready although it can't commit"
        assert all("partitions 0 of the executor" in answer for answer in answers)
        assert await committed(found) <= 1
        assert not {"after-0"} & set(await results(found))
        assert executor.child is not None
        assert executor.child.poll() is None

        await apply_topics(topics, found.settings.partitions, found.client)
        start = time.monotonic()
        await ended(found, [*others, "before-0", "after-0"])
        await no_lag(found, within_s=30)
        back_s = time.monotonic() - start
        letters = await read_topic(broker.bootstrap_servers, topics.dead_letter, 4)
        assert [(letter.partition, letter.value) for letter in letters] == [(0, POISON)]
        seen, done = await results(found), await effects(found)
        assert {len(rows) for rows in (*seen.values(), *done.values())} == {1}
        assert set(seen) == set(done) == {*others, "before-0", "after-0"}
        await until("ready again", lambda: _ready(executor), found)
        note(f"case 41: all done {back_s:.1f} s after the topic was there again")


async def _ready(executor: Process) -> bool:
    return not await said(executor)
