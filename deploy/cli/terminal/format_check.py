"""The look at the format for commands that read no definitions."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.operations import known_format

Done = TypeVar("Done")


async def of_known_format(work: Awaitable[Done]) -> Done:
    """The work, with the look beside it. Raises FormatError, and what the work raises.

    Both end before either's failure is raised: a consumer that is cancelled while it starts can hold the loop's end.
    """
    done, looked = await asyncio.gather(work, require_known_format(), return_exceptions=True)
    for failed in (looked, done):
        if isinstance(failed, BaseException):
            raise failed
    return cast("Done", done)


async def require_known_format() -> None:
    """Raises FormatError."""
    await known_format.require_known_format(settings().topics.control, kafka())
