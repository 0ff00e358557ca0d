"""Bounds the end of a process: after SIGTERM or SIGINT its parts end, are cancelled, and then the process exits.

    signal ── the parts end by themselves ── 24 s ── what is left is cancelled ── 28 s ── it is gone, with exit code 70

A thread ends the process when its event loop is blocked for good: nothing else in the process can.
"""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError

CUT_SHORT_S: Final = 24.0
LAST_S: Final = 28.0
BLOCKED_S: Final = 60.0
GAVE_UP: Final = 70
"""The exit code of a process that could not end by itself: EX_SOFTWARE."""

_LOOK_EVERY_S: Final = 5.0
log = structlog.get_logger(__name__)


class CutShortError(FailureError):
    """The process got a signal to end, and a part of it did not end in time."""


@contextlib.asynccontextmanager
async def bounded_shutdown(cut_short_s: float = CUT_SHORT_S, last_s: float = LAST_S) -> AsyncIterator[asyncio.Event]:
    """Yields the event on which the parts of a process end. Raises CutShortError."""
    stop, loop, bound = asyncio.Event(), asyncio.get_running_loop(), asyncio.timeout(None)
    try:
        async with bound:

            async def bounded() -> None:
                await stop.wait()  # by a signal, or one part has ended and the others must follow
                bound.reschedule(loop.time() + cut_short_s)
                _at_last(loop, last_s)

            ending = asyncio.create_task(bounded(), name="bounded end")
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop.set)
            try:
                yield stop
            finally:
                ending.cancel()
    except TimeoutError:
        if not bound.expired():
            raise
        raise CutShortError(
            f"Told to end, it did not within {cut_short_s:g} s, and was cut short. Nothing is lost: what was not"
            " committed is done again, with the same Idempotency-Key."
        ) from None


def _at_last(loop: asyncio.AbstractEventLoop, last_s: float) -> None:
    def end() -> None:
        log.error(LogEvent.SHUTDOWN_FORCED, after_s=last_s, left=_left(loop))
        _exit()

    timer = threading.Timer(last_s, end)
    timer.daemon = True  # a process that ends by itself does not wait for it
    timer.start()


def _left(loop: asyncio.AbstractEventLoop) -> list[str]:
    """The names of what still runs, bounded."""
    with contextlib.suppress(RuntimeError):  # the loop is gone, or its tasks changed while we looked
        return sorted(task.get_name() for task in asyncio.all_tasks(loop))[:20]
    return []


@contextlib.contextmanager
def watch_blocked_loop(turned_s: Callable[[], float], blocked_s: float = BLOCKED_S) -> Iterator[None]:
    """End the process when the event loop did not turn for so long: an orchestrator starts another one."""
    over = threading.Event()

    def look() -> None:
        every_s = min(_LOOK_EVERY_S, blocked_s / 4)
        looked_s = time.monotonic()
        while not over.wait(every_s):
            now_s, before_s = time.monotonic(), looked_s
            looked_s = now_s
            if now_s - before_s > 2 * every_s:
                continue  # the whole process was stopped, or its machine asleep: the loop is not blocked
            if now_s - turned_s() > blocked_s:
                log.error(LogEvent.EVENT_LOOP_BLOCKED, blocked_s=round(now_s - turned_s(), 1))
                faulthandler.dump_traceback(sys.stderr, all_threads=True)
                _exit()

    threading.Thread(target=look, name="loop watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _exit() -> None:
    sys.stderr.flush()
    os._exit(GAVE_UP)
