"""Brings the tests a real Kafka: the one named in the environment, a container, or the local one; never a fake.

It must never let a test be skipped for want of a broker.
"""

import asyncio
import contextlib
import gc
import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced, for_code

from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, LocalKafkaError, free_port
from stripeline.deploy.local.kafka_config import BROKER_SETTINGS
from stripeline.deploy.local.kafka_jars import KAFKA_VERSION
from stripeline.deploy.local.kafka_warm_up import warm_up

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
INSIDE_PORT = 9092
LEADERS_TIMEOUT_S = 10.0
GONE_TIMEOUT_S = 30.0

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    bootstrap_servers: str
    kind: str  # "environment", "container" or "local"


class TopicFactory(Protocol):
    def __call__(
        self, name: str, *, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> Awaitable[str]: ...


@contextmanager
def any_broker(data_dir: Path, note: Note) -> Iterator[Broker]:
    """The first of: KAFKA_BOOTSTRAP_SERVERS, a container where a Docker engine answers, the local Kafka."""
    if named := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield Broker(bootstrap_servers=named, kind="environment")
        return
    container = started_container(note)
    if container is not None:
        note(f"Kafka runs in a container of {IMAGE}, at {container.bootstrap_servers}.")
        try:
            yield Broker(bootstrap_servers=container.bootstrap_servers, kind="container")
        finally:
            container.stop()
        return
    with local_broker(data_dir, note) as kafka:
        yield Broker(bootstrap_servers=kafka.bootstrap_servers, kind="local")


@contextmanager
def local_broker(data_dir: Path, note: Note, *, settings: Mapping[str, str] | None = None) -> Iterator[LocalKafka]:
    kafka = LocalKafka(KafkaSpec(port=free_port(), data_dir=data_dir, settings=settings or {}))
    asyncio.run(_start(kafka, note))
    try:
        yield kafka
    finally:
        asyncio.run(kafka.stop())


async def _start(kafka: LocalKafka, note: Note) -> None:
    try:
        await warm_up(progress=note)
        await kafka.start(note)
    except LocalKafkaError as error:
        raise LocalKafkaError(f"This test needs a Kafka, and none of the three ways led to one. {error}") from error


def container_environment(host: str, port: int) -> dict[str, str]:
    """The image reads its properties from variables: https://hub.docker.com/r/apache/kafka.

    The broker has an address for clients, who are outside, and one for itself: it asks its own transaction coordinator
    over the network, and an address outside leads nowhere from within. No transaction would ever begin.
    """
    settings = {
        **BROKER_SETTINGS,
        "listeners": f"PLAINTEXT://:{INSIDE_PORT},ITSELF://localhost:9094,CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port},ITSELF://localhost:9094",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,ITSELF:PLAINTEXT",
        "inter.broker.listener.name": "ITSELF",
        "controller.quorum.voters": "1@localhost:9093",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


def started_container(note: Note) -> Any:
    """Return a running container with `bootstrap_servers` and `stop()`, or None with a note why there is none."""
    with warnings.catch_warnings():
        # A Docker client that gets no answer leaves its socket to the garbage collector: have it over with in here.
        warnings.simplefilter("ignore")
        try:
            return _start_container()
        except Exception as error:  # noqa: BLE001  docker, requests and testcontainers each have their own
            note(f"No Kafka container ({type(error).__name__}); using the local Kafka instead.")
        gc.collect()
    return None


def _start_container() -> Any:
    # Imported here, since unit tests should not pay for a Docker client.
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    # Ryuk, the cleaner of containers, is an image of its own that often cannot be pulled; the fixture cleans up.
    testcontainers_config.ryuk_disabled = True

    class KafkaContainer(DockerContainer):
        """For Apache's image; the community module's class runs Confluent's images only."""

        def __init__(self, port: int) -> None:
            super().__init__(IMAGE)
            self.get_docker_client().client.ping()
            host = self.get_docker_client().host()
            self.bootstrap_servers = f"{host}:{port}"
            # The broker tells clients its address, so the port outside is chosen before it starts.
            self.with_bind_ports(INSIDE_PORT, port).with_envs(**container_environment(host, port))
            self.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(60))

    container = KafkaContainer(free_port())
    try:
        return container.start()
    except BaseException:
        with contextlib.suppress(Exception):
            container.stop()
        raise


@contextlib.asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def create_topics(
    bootstrap_servers: str,
    topics: Mapping[str, int],
    *,
    configs: Mapping[str, str] | None = None,
    replication: int = 1,
) -> None:
    """Create topics (name to number of partitions), and return when each partition has a leader."""
    new = [
        NewTopic(name, num_partitions=partitions, replication_factor=replication, topic_configs=dict(configs or {}))
        for name, partitions in topics.items()
    ]
    async with admin(bootstrap_servers) as client:
        answer = await client.create_topics(new)
        for name, code, *message in answer.topic_errors:
            if code:
                raise for_code(code)(f"topic {name}: {message}")
        async with asyncio.timeout(LEADERS_TIMEOUT_S):
            while not _led(await client.describe_topics(list(topics)), topics):  # noqa: ASYNC110  Kafka sets no event
                await asyncio.sleep(0.01)


def _led(described: list[Any], topics: Mapping[str, int]) -> bool:
    led = {
        topic["topic"]: sum(partition["leader"] >= 0 for partition in topic["partitions"])
        for topic in described
        if not topic["error_code"]
    }
    return led == dict(topics)


async def delete_topics(bootstrap_servers: str, names: list[str]) -> None:
    """Delete topics, and return when the broker knows them no more: the controller answers before the broker has heard.

    Until then the broker still takes records for them.
    """
    async with admin(bootstrap_servers) as client:
        await client.delete_topics(names)
        async with asyncio.timeout(GONE_TIMEOUT_S):
            # All topics, not these by name: asked for by name, a careless broker would create them again.
            while not set(names).isdisjoint(await client.list_topics()):  # noqa: ASYNC110  Kafka sets no event
                await asyncio.sleep(0.01)


def quiet_fencing() -> None:
    """Say nothing, on the running loop, of the futures that aiokafka 0.14 leaves behind in a fenced producer.

    Nobody can await them. Reported at a collection of garbage during an import, they also break CPython 3.11's parser:
    "AST constructor recursion depth mismatch", https://github.com/python/cpython/issues/106905.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), ProducerFenced):
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(handle)
