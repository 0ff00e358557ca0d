"""What only the behaviour tests need."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The receiver is tested on the product's loop. asyncio's own hides a client that takes every turn."""
    ingest = item.path.name.startswith("test_ingest_")
    return {"uvloop": uvloop.new_event_loop} if ingest else {"asyncio": asyncio.new_event_loop}
