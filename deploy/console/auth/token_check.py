"""Whether a token is somebody's: one scrypt hash for each, also for a name that nobody has, in a thread, two at a time.

A hash takes tens of milliseconds and 16 MiB. On the event loop it would hold every page and stream of the console.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from stripeline.deploy.console.auth.sign_in_session import Holder
from stripeline.deploy.console.auth.token_hash import SALT_BYTES, TokenHash, token_name
from stripeline.deploy.console.auth.token_lines import TokenLine

_AT_A_TIME: Final = 2
_NOBODY: Final = TokenHash(salt=bytes(SALT_BYTES), digest=bytes(32))


class TokenCheck:
    """line: the line of a name."""

    def __init__(self, line: Callable[[str], TokenLine | None]) -> None:
        self._line, self._slots = line, asyncio.Semaphore(_AT_A_TIME)

    async def holder(self, token: str) -> Holder | None:
        """Whose token it is; None for nobody's."""
        line = self._line(token_name(token))
        known = _NOBODY if line is None else line.hash
        async with self._slots:
            matches = await asyncio.to_thread(known.matches, token)
        # A line that was replaced while the hash was computed grants nothing.
        return line.holder if matches and line is not None and self._line(line.name) == line else None
