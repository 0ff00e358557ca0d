"""Runs works side by side, such as the parts of a process: the first failure ends all, and is raised as it is."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import structlog

from stripeline.contracts.vocabulary import LogEvent

log = structlog.get_logger(__name__)


async def together(stop: asyncio.Event, *parts: Awaitable[None]) -> None:
    """The parts of a process: when one ends, for whatever reason, the others end too."""
    await side_by_side(*(_until_stopped(part, stop) for part in parts))


async def side_by_side(*works: Coroutine[Any, Any, None]) -> None:
    """The first failure is raised as it is, so that the command can say it in a paragraph."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
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
