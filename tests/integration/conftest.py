"""What only the integration tests need."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import uvloop

from stripeline.contracts.topics import Topics, parse_tiers
from stripeline.deploy.operations.topics import apply
from tests.support.broker import Broker
from tests.support.records import INSTALLATION


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """HTTP and TLS are tested on the loop that the product runs on, whose transports are not asyncio's."""
    transports = item.path.name.startswith(("test_http_client", "test_connection_errors"))
    return {"uvloop": uvloop.new_event_loop} if transports else {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def topics(prefix: str) -> Topics:
    return Topics(prefix=prefix, tiers=parse_tiers("5s,30s"))


@pytest.fixture
async def client(broker: Broker, topics: Topics) -> Mapping[str, Any]:
    """Options of a Kafka that has the topics of one installation."""
    options = {"bootstrap_servers": broker.bootstrap_servers}
    await apply(topics, 2, options, wanted=INSTALLATION)
    return options
