"""Starts a client of aiokafka in bounded time, and leaves no connection open where the start is cut short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

_CUT_S: Final = 1.0


async def start_within(starting: Coroutine[Any, Any, Any], within_s: float) -> None:
    """Start a client of aiokafka. Raises what it raises, and TimeoutError.

    aiokafka 0.14 leaves the connection to the bootstrap server open when a start is cancelled in the middle: one that
    is cut short may end by itself for a moment, which is longer than a broker takes to answer.
    """
    start = asyncio.ensure_future(starting)
    try:
        async with asyncio.timeout(within_s):
            await asyncio.wait((start,))  # cancels nothing; Python 3.14 logs what a shielded start raises late
        start.result()
    finally:
        if not start.done():
            await asyncio.wait((start,), timeout=_CUT_S)
            start.cancel()
            await asyncio.wait((start,), timeout=_CUT_S)
            if start.done() and not start.cancelled():
                start.exception()  # retrieved, or the event loop would report it
