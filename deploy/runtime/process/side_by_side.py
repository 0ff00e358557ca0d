"""Runs the parts of a process side by side: when one ends, for whatever reason, the others end too."""

import asyncio
from collections.abc import Awaitable

import structlog

from stripeline.contracts.vocabulary import LogEvent

log = structlog.get_logger(__name__)


async def together(stop: asyncio.Event, *parts: Awaitable[None]) -> None:
    """The first failure is raised as it is, so that the command can say it in a paragraph."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(_until_stopped(part, stop))
    except BaseExceptionGroup as failures:
        first, *others = failures.exceptions
        for other in others:
            log.error(LogEvent.PART_FAILED, reason=repr(other))  # noqa: TRY400
        raise first from None


async def _until_stopped(part: Awaitable[None], stop: asyncio.Event) -> None:
    """One part; when it ends, for whatever reason, the others end too."""
    try:
        await part
    finally:
        stop.set()
