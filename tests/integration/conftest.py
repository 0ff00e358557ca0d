"""What only the integration tests need."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """HTTP is tested on the loop that the product runs on, whose transports are not asyncio's."""
    http = item.path.name.startswith("test_http_client")
    return {"uvloop": uvloop.new_event_loop} if http else {"asyncio": asyncio.new_event_loop}
