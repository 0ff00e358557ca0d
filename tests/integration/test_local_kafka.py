"""The local Kafka keeps the promises of a real one that the product rests on."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, LocalKafkaError, free_port
from tests.support.broker import Broker, TopicFactory, create_topics, quiet_fencing

READ_TIMEOUT_S = 15.0


@asynccontextmanager
async def producer_of(bootstrap_servers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def read(bootstrap_servers: str, topic: str, count: int, **options: Any) -> list[bytes]:
    """The values of the first `count` records, and of those that came along with them."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", **options)
    await consumer.start()
    try:
        values: list[bytes] = []
        async with asyncio.timeout(READ_TIMEOUT_S):
            while len(values) < count:
                batches = await consumer.getmany(timeout_ms=500)
                values += [record.value for records in batches.values() for record in records]
        return values
    finally:
        await consumer.stop()


async def test_what_a_producer_sends_a_group_reads(broker: Broker, topic_factory: TopicFactory, prefix: str) -> None:
    topic = await topic_factory("plain", partitions=3)
    async with producer_of(broker.bootstrap_servers, enable_idempotence=True) as producer:
        await asyncio.gather(*[producer.send_and_wait(topic, b"%d" % n, key=b"%d" % n) for n in range(20)])
    values = await read(broker.bootstrap_servers, topic, 20, group_id=f"{prefix}group")
    assert sorted(map(int, values)) == list(range(20))


async def test_an_aborted_transaction_is_never_read(broker: Broker, topic_factory: TopicFactory, prefix: str) -> None:
    topic = await topic_factory("aborted")
    async with producer_of(broker.bootstrap_servers, transactional_id=f"{prefix}tx") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
    assert await read(broker.bootstrap_servers, topic, 1, isolation_level="read_committed") == [b"committed"]
    assert await read(broker.bootstrap_servers, topic, 2) == [b"aborted", b"committed"]


async def test_a_second_producer_of_a_transactional_id_fences(
    broker: Broker, topic_factory: TopicFactory, prefix: str
) -> None:
    topic = await topic_factory("fenced")
    quiet_fencing()
    options = {"transactional_id": f"{prefix}tx"}
    async with (
        producer_of(broker.bootstrap_servers, **options) as zombie,
        producer_of(broker.bootstrap_servers, **options) as successor,
    ):
        await zombie.begin_transaction()
        with pytest.raises(ProducerFenced):
            await zombie.send_and_wait(topic, b"zombie")
        async with successor.transaction():
            await successor.send_and_wait(topic, b"successor")
        assert await read(broker.bootstrap_servers, topic, 1, isolation_level="read_committed") == [b"successor"]


async def test_an_unknown_topic_is_an_error_and_is_not_created(broker: Broker, prefix: str) -> None:
    async with producer_of(broker.bootstrap_servers, request_timeout_ms=1_000) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait(f"{prefix}misspelt", b"lost")


async def test_records_outlive_a_kill(own_broker: LocalKafka) -> None:
    await create_topics(own_broker.bootstrap_servers, {"kept": 1})
    async with producer_of(own_broker.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait("kept", b"before")
    first = own_broker.pid
    own_broker.kill()
    await own_broker.start()
    assert own_broker.pid != first
    async with producer_of(own_broker.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait("kept", b"after")
    assert await read(own_broker.bootstrap_servers, "kept", 2) == [b"before", b"after"]


async def test_one_that_dies_early_shows_its_log_and_leaves_no_process(tmp_path: Path) -> None:
    # A node of another cluster has written here.
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    kafka = LocalKafka(KafkaSpec(port=free_port(), data_dir=tmp_path))
    with pytest.raises(LocalKafkaError, match=r"fresh data directory(.|\n)*node.id") as caught:
        await kafka.start()
    assert str(tmp_path) in str(caught.value)
    assert not kafka.running


async def test_a_start_cut_short_leaves_no_process(tmp_path: Path) -> None:
    kafka = LocalKafka(KafkaSpec(port=free_port(), data_dir=tmp_path))
    starting = asyncio.create_task(kafka.start())
    async with asyncio.timeout(READ_TIMEOUT_S):
        while not kafka.running:  # noqa: ASYNC110  a process sets no event
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not kafka.running


FOREGROUND = """
import asyncio, sys
from pathlib import Path
from stripeline.deploy.local.kafka import run_foreground
asyncio.run(run_foreground(int(sys.argv[1]), Path(sys.argv[2]), lambda line: print(line, flush=True)))
"""


@pytest.fixture
def foreground(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FOREGROUND, str(free_port()), str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "answers on" in line:
                break
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_stops_when_asked(foreground: subprocess.Popen[str], number: signal.Signals) -> None:
    java = child_of(foreground.pid)
    foreground.send_signal(number)
    assert foreground.wait(READ_TIMEOUT_S) == 0
    assert foreground.stdout is not None
    assert "Stopping" in foreground.stdout.read()
    assert not alive(java)


def test_in_the_foreground_it_fails_when_the_node_ends_by_itself(foreground: subprocess.Popen[str]) -> None:
    os.kill(child_of(foreground.pid), signal.SIGKILL)
    assert foreground.wait(READ_TIMEOUT_S) == 1
    assert foreground.stdout is not None
    assert "LocalKafkaError: The local Kafka ended by itself" in foreground.stdout.read()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_it_does_not_outlive_a_parent_that_is_killed(foreground: subprocess.Popen[str]) -> None:
    java = child_of(foreground.pid)
    assert os.getsid(java) != os.getsid(foreground.pid)  # Ctrl-C at the terminal does not reach it
    foreground.kill()
    async with asyncio.timeout(READ_TIMEOUT_S):
        while alive(java):  # noqa: ASYNC110  a process sets no event
            await asyncio.sleep(0.01)


def child_of(pid: int) -> int:
    return int(subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(pid)], text=True).split()[0])


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip() != "" and not state.startswith("Z")
