"""What a process says of a failure that nobody waits for: one line where it is a left-over of aiokafka, all otherwise.

A producer or consumer of aiokafka that failed leaves failed tasks and futures behind that nobody can await. The failure
itself has been raised, and said, where the transaction or the read was. An error that our own code raised, or that
ended a task of ours, is never made small: nobody else tells of it.
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
"""What aiokafka stands on: a frame of theirs tells nothing about who failed."""


def unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler."""
    error = context.get("exception")
    if isinstance(error, Exception) and _is_a_left_over(error, context.get("future")):
        log.debug(LogEvent.ORPHANED_KAFKA_ERROR, reason=repr(error))
    else:
        loop.default_exception_handler(context)


def _is_a_left_over(error: Exception, future: object) -> bool:
    """Whether it began and ended in aiokafka, or was put by it into a future of nobody's."""
    packages = list(_raised_through(error))
    if type(future) is not asyncio.Future:  # a task, a gathering of tasks, a callback: its first frame says whose it is
        return set(packages) == {_THEIRS}
    # Put into several futures, an error shows the frames of all who heard it: only where it was raised counts.
    return packages[-1] == _THEIRS if packages else isinstance(error, KafkaError | ConnectionError)


def _raised_through(error: Exception) -> Iterator[str]:
    for frame, _ in walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _BENEATH:
            yield package
