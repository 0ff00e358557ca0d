"""The reports of the processes are followed: a new one is seen, an ended one is gone, and a topic may come later."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from stripeline.contracts.internal_records import encode
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.overview.worker_watch import WorkerWatch
from stripeline.workers.kafka.one_off_producer import one_off_producer
from tests.support.broker import Broker, TopicFactory
from tests.support.status_facts import instance


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  (what a follower has read is no event)
            await asyncio.sleep(0.02)


async def test_reports_are_followed(broker: Broker, prefix: str, topic_factory: TopicFactory) -> None:
    topics, client = Topics(prefix=prefix), {"bootstrap_servers": broker.bootstrap_servers}
    watch = WorkerWatch(topics, client, 4)
    running = asyncio.create_task(watch.run())

    async def say(name: str, report: Any) -> None:
        async with one_off_producer(client) as producer:
            value = None if report is None else encode(report)
            await producer.send_and_wait(topics.worker, value, key=name.encode(), partition=0)

    def versions() -> dict[str, str]:
        return {one.name: one.report.version for one in watch.workers().instances}

    try:
        await until(lambda: watch.missing() is not None)
        assert "the processes" in watch.not_known()
        await topic_factory("worker")
        report = instance("router").report
        await say("router/a", replace(report, version="1"))
        await until(lambda: versions() == {"router/a": "1"})
        assert watch.missing() is None
        assert watch.not_known() == {}
        assert watch.history.lags("router", 3) == [0]
        assert watch.workers().instances[0].age_ms < 15_000
        await say("router/b", report)
        await say("router/a", replace(report, version="2"))
        await until(lambda: versions().get("router/a") == "2" and len(versions()) == 2)
        await say("router/b", None)
        await until(lambda: versions() == {"router/a": "2"})
    finally:
        running.cancel()
        await asyncio.wait((running,))
