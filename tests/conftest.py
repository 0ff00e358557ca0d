"""Fixtures that every kind of test may ask for. None of them starts a broker unless it is asked for."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from stripeline.deploy.console.index.index_store import IndexStore, open_store
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.local.kafka_warm_up import warm_up
from tests.support.broker import Broker, TopicFactory, any_broker, create_topics, delete_topics
from tests.support.postgres import own_schema, postgres_server
from tests.support.secured_kafka import SecuredKafka, secured_broker

# How long an example takes is the machine's matter, and no rule of the product's.
settings.register_profile("stripeline", deadline=None)
settings.load_profile("stripeline")


@pytest.fixture(scope="session", autouse=True)
def lines_reach_caplog() -> None:
    """Our log lines go through the standard library with all their fields, so that `caplog` sees them."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture(scope="session")
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Write one line to the terminal, past the capture of output."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    reporter = request.config.pluginmanager.getplugin("terminalreporter")

    def write(line: str) -> None:
        if capture is None or reporter is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    return write


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, note: Callable[[str], None]) -> Iterator[Broker]:
    """One Kafka for the whole run; tests keep apart by their topics' `prefix`."""
    # Not async: it outlives the event loops of the tests.
    with any_broker(tmp_path_factory.mktemp("kafka"), note) as started:
        yield started


@pytest.fixture
async def own_broker(tmp_path: Path, note: Callable[[str], None]) -> AsyncIterator[LocalKafka]:
    """A local Kafka of the test's own, to be killed, stopped and started at will."""
    await warm_up(progress=note)
    kafka = LocalKafka(KafkaSpec(port=free_port(), data_dir=tmp_path / "kafka"))
    await kafka.start()
    yield kafka
    kafka.kill()


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory, note: Callable[[str], None]) -> Iterator[SecuredKafka]:
    """One Kafka with TLS, logins and ACLs for the whole run; tests keep apart by users and by `prefix`."""
    with secured_broker(tmp_path_factory.mktemp("secured-kafka"), note) as started:
        yield started


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test has."""
    return f"t{secrets.token_hex(3)}."


@pytest.fixture
async def topic_factory(broker: Broker, prefix: str) -> AsyncIterator[TopicFactory]:
    """Create topics of the test's own: `topic = await topic_factory("orders", partitions=4)`."""
    created: list[str] = []

    async def create(name: str, *, partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
        topic = f"{prefix}{name}"
        await create_topics(broker.bootstrap_servers, {topic: partitions}, configs=configs)
        created.append(topic)
        return topic

    yield create
    if created:
        await delete_topics(broker.bootstrap_servers, created)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of one PostgreSQL for the whole run; tests keep apart by their schemas."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty index of the console can be kept: once in SQLite, once in PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "index.db")
    return own_schema(request.getfixturevalue("postgres"))


@pytest.fixture
async def both_stores(store_place: str) -> AsyncIterator[IndexStore]:
    """An empty index of the console, once in SQLite and once in PostgreSQL."""
    store = open_store(store_place)
    yield store
    await store.close()
