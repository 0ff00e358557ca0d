"""The event loop's exception handler: an orphaned error of aiokafka is one line, everything else is logged in full.

A producer or consumer of aiokafka that failed leaves failed tasks and futures behind that nobody can await. The failure
itself has been raised and logged where the transaction or the read was. An error that our own code raised, or that
ended one of our tasks, is always logged in full: nothing else reports it.
"""

import asyncio
import sys
from collections.abc import Iterator
from traceback import walk_tb
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent

log = structlog.get_logger(__name__)
_THEIRS: Final = "aiokafka"
_BENEATH: Final = sys.stdlib_module_names | {"async_timeout", "uvloop"}
"""What aiokafka is built on: their frames do not show whose code failed."""


def handle_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler."""
    error = context.get("exception")
    if isinstance(error, Exception) and _is_orphaned(error, context.get("future")):
        log.debug(LogEvent.ORPHANED_KAFKA_ERROR, reason=repr(error))
    else:
        loop.default_exception_handler(context)


def _is_orphaned(error: Exception, future: object) -> bool:
    """Whether it was raised and ended in aiokafka, or was set by it on a future that nobody awaits."""
    packages = list(_raised_through(error))
    if type(future) is not asyncio.Future:  # a task, a gathering of tasks, a callback: its first frame says whose it is
        return set(packages) == {_THEIRS}
    # An error set on several futures has the frames of every waiter: only where it was raised counts.
    return packages[-1] == _THEIRS if packages else isinstance(error, KafkaError | ConnectionError)


def _raised_through(error: Exception) -> Iterator[str]:
    for frame, _ in walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _BENEATH:
            yield package
