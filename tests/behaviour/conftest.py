"""What only the behaviour tests need."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import stripe
import uvloop

from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.ingest.http import handed_connections, listening
from tests.support.stripe_sdk import KEY, sdk_client


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The receiver is tested on the product's loop. asyncio's own hides a client that takes every turn."""
    ingest = item.path.name.startswith("test_ingest_")
    return {"uvloop": uvloop.new_event_loop} if ingest else {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with ten times its work takes longer than a receiver that ends waits."""
    monkeypatch.setattr(listening, "_TAKEN_S", 30.0)
    monkeypatch.setattr(handed_connections, "_LAST_S", 30.0)


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer() as server:
        yield server


@pytest.fixture
async def judge(server: SandboxServer) -> AsyncIterator[stripe.StripeClient]:
    """The official SDK, at the sandbox."""
    async with sdk_client(server, KEY) as client:
        yield client
