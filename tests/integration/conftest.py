"""What only the integration tests need."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """HTTP and TLS are tested on the loop that the product runs on, whose transports are not asyncio's."""
    transports = item.path.name.startswith(("test_http_client", "test_connection_errors"))
    return {"uvloop": uvloop.new_event_loop} if transports else {"asyncio": asyncio.new_event_loop}
