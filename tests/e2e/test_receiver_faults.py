"""The receiver as a real process while what it stands on breaks: never a 2xx for an event that Kafka does not have."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)  # fmt: skip

from stripeline.deploy.local.example_events import example_event, sign
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from tests.faults.samples import MIB, PAGE_BYTES
from tests.support.broker import Broker
from tests.support.broker_cluster import proxied_kafka
from tests.support.cluster import SECRET, Cluster, cluster
from tests.support.end_state import find, no_lag, read_topic
from tests.support.invariants import check
from tests.support.proxy import Proxy
from tests.support.traffic import Traffic

DEADLINE_S = 1.0
LATE_S = 1.0  # beyond the deadline: for a machine that is busy
SHORT = {"ingest_publish_deadline": f"{DEADLINE_S * 1000:.0f}ms"}


async def post(found: Cluster, event: str, *, size: int = 0) -> int | str:
    """One delivery: its status, or what became of the connection."""
    body = example_event("payment_intent.succeeded", {"id": "pi_1", "amount": 6_000, "pad": "x" * size}, event_id=event)
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
    try:
        async with aiohttp.ClientSession() as session, session.post(found.url, data=body, headers=headers) as answer:
            return answer.status
    except aiohttp.ClientError as error:
        return type(error).__name__


async def refused_in_time(found: Cluster, event: str) -> None:
    began = time.monotonic()
    assert await post(found, event) == 503
    assert time.monotonic() - began < DEADLINE_S + LATE_S


async def taken(found: Cluster, event: str, within_s: float = 30) -> None:
    """As Stripe does: again until it is taken."""
    async with asyncio.timeout(within_s):
        while await post(found, event) != 200:  # noqa: ASYNC110  (a server sets no event)
            await asyncio.sleep(0.1)


async def on_topic(found: Cluster) -> Counter[str]:
    topic, bootstrap = found.settings.topics.event("payment-event"), found.settings.kafka_bootstrap_servers
    return Counter(orjson.loads(record.value)["id"] for record in await read_topic(bootstrap, topic, 4))


@asynccontextmanager
async def own_kafka(folder: Path, **settings: str) -> AsyncIterator[LocalKafka]:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    kafka = LocalKafka(KafkaSpec(port=free_port(), data_dir=folder / "kafka", settings=named))
    await kafka.start()
    try:
        yield kafka
    finally:
        kafka.kill()


async def test_an_event_published_but_not_acknowledged_has_one_effect(
    prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    events = [f"evt_{number:07}" for number in range(10)]
    async with (
        proxied_kafka(tmp_path / "kafka", note) as (kafka, proxy),
        cluster(proxy.address, prefix, tmp_path, **SHORT) as found,
    ):
        found.add("worker", "worker")
        await found.ready()
        await taken(found, events[0])
        proxy.silent()
        await asyncio.gather(*(refused_in_time(found, event) for event in events[1:9]))
        await proxy.works()
        await asyncio.gather(*(taken(found, event) for event in events[1:9]))
        await killed_between_publishing_and_answering(found, kafka, proxy, events[9])
        await no_lag(found, within_s=60)
        assert check(await find(found), events)["effects"] == 20


async def killed_between_publishing_and_answering(found: Cluster, kafka: LocalKafka, proxy: Proxy, event: str) -> None:
    proxy.mute()  # the record gets to Kafka, and Kafka's word does not get back
    delivery = asyncio.create_task(post(found, event))
    async with asyncio.timeout(DEADLINE_S):
        while not on_disk(kafka, found.settings.topics.event("payment-event"), event):  # noqa: ASYNC110  (nor a disk)
            await asyncio.sleep(0.01)
    assert not delivery.done()
    found.processes["ingest"].kill()
    assert await delivery == "ServerDisconnectedError"
    await proxy.works()
    found.processes["ingest"].start()
    await taken(found, event)
    assert (await on_topic(found))[event] == 2


def on_disk(kafka: LocalKafka, topic: str, event: str) -> bool:
    """Whether Kafka has a record, when it can't be asked: events are not compressed."""
    segments = (kafka.spec.data_dir / "topics").glob(f"{topic}-*/*.log")
    return any(event.encode() in segment.read_bytes() for segment in segments)


async def test_sigterm_under_load_answers_everything_in_flight(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        await found.ready()
        traffic = Traffic(found.url, 80)
        run = asyncio.create_task(traffic.run(3))
        await traffic.flows(60)
        began = time.monotonic()
        assert await found.processes["ingest"].end() == 0
        took_s = time.monotonic() - began
        found.processes["ingest"].start()
        await run
        note(f"SIGTERM under load: ended after {took_s:.1f} s")
        assert took_s < 10
        assert set(traffic.acknowledged) <= set(await on_topic(found))
        assert "Traceback" not in found.processes["ingest"].log.read_text()


def deny(kafka: LocalKafka, topic: str, operation: AclOperation) -> Callable[[], None]:
    """Take a right away from everybody; the function that gives it back."""
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    resource_of = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation)
    written = AclBindingFilter(*resource_of, AclPermissionType.DENY)
    for done in client.create_acls([AclBinding(*resource_of, AclPermissionType.DENY)]).values():
        done.result(15)
    until_s = time.monotonic() + 15
    while not client.describe_acls(written).result(15):  # the controller has it, and the broker obeys it a little later
        assert time.monotonic() < until_s, "the broker does not know the ACL"
        time.sleep(0.02)

    def allow() -> None:
        for done in client.delete_acls([written]).values():
            done.result(15)

    return allow


async def test_a_missing_acl_is_503_with_advice_and_stops_a_start(prefix: str, tmp_path: Path):
    authorizer = {
        "authorizer_class_name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow_everyone_if_no_acl_found": "true",
    }
    async with (
        own_kafka(tmp_path, **authorizer) as kafka,
        cluster(kafka.bootstrap_servers, prefix, tmp_path, **SHORT) as found,
    ):
        await found.ready()
        ingest, topic = found.processes["ingest"], found.settings.topics.event("payment-event")
        await taken(found, "evt_1")
        allow = await asyncio.to_thread(deny, kafka, topic, AclOperation.WRITE)
        await refused_in_time(found, "evt_2")
        assert "grant its principal Write on this topic" in ingest.log.read_text()
        await asyncio.to_thread(allow)
        await taken(found, "evt_2")
        assert set(await on_topic(found)) == {"evt_1", "evt_2"}
        assert await ingest.end() == 0
        await asyncio.to_thread(deny, kafka, topic, AclOperation.DESCRIBE)
        ingest.start()
        assert ingest.child is not None
        assert await asyncio.to_thread(ingest.child.wait, 30) == 1
        assert topic in ingest.tail(5)


@pytest.mark.long
async def test_a_full_broker_disk_is_503_and_loses_no_acknowledged(prefix: str, tmp_path: Path):
    async with own_kafka(tmp_path) as kafka, cluster(kafka.bootstrap_servers, prefix, tmp_path, **SHORT) as found:
        await found.ready()
        for number in range(20):
            await taken(found, f"evt_{number}")
        # No file may grow any more: what a full disk says to whoever appends, without a disk that must be filled.
        resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        answers = await asyncio.gather(*(post(found, f"evt_full_{number}") for number in range(5)))
        assert answers == [503] * 5
        kafka.kill()
        await kafka.start()
        await taken(found, "evt_after")
        there = set(await on_topic(found))
        assert {*(f"evt_{number}" for number in range(20)), "evt_after"} <= there


def address_space(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * PAGE_BYTES


async def test_a_receiver_without_memory_says_no_2xx_and_recovers(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        await found.ready()
        await taken(found, "evt_1")
        child = found.processes["ingest"].child
        assert child is not None
        limit = address_space(child.pid) + 2 * MIB
        resource.prlimit(child.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        answers = await asyncio.gather(*(post(found, f"evt_big_{number}", size=800_000) for number in range(30)))
        if child.poll() is None:
            resource.prlimit(child.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:  # as an orchestrator does
            found.processes["ingest"].start()
        assert set(answers) - {200}, "the limit was none"
        await taken(found, "evt_2")
        there = set(await on_topic(found))
        assert {f"evt_big_{number}" for number, answer in enumerate(answers) if answer == 200} <= there
        assert {"evt_1", "evt_2"} <= there
