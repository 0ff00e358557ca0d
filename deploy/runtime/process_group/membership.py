"""What a process of a group has from its parent: its number, sockets, and a lifeline."""

import asyncio
import os
import signal
import socket
from dataclasses import dataclass
from typing import Final, Literal, Self

from stripeline.deploy.failure import FailureError
from stripeline.deploy.settings.settings import Settings

GroupRole = Literal["ingest", "router", "executor", "worker"]
CUT_SHORT_S: Final = 20.0
LAST_S: Final = 24.0
"""Sooner than a process alone: the last one gets SIGTERM seconds after the first, and all have 30 s together."""
_STDIN = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMembership:
    """Of one process.

    number: from 1.
    listener: a loopback socket that listens, where the parent asks for the admin pages.
    connections: where the parent gives connections, for ingest.
    """

    number: int
    listener: socket.socket
    connections: socket.socket | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2:7`: the second process, with the socket of file descriptor 7; `2:7:8` for ingest. Raises FailureError."""
        try:
            number, listener, *more = map(int, text.split(":"))
            connections = socket.socket(fileno=more[0]) if more else None
            return cls(number=number, listener=socket.socket(fileno=listener), connections=connections)
        except (ValueError, OSError) as error:
            raise FailureError(
                "--member is not for people: a process gives it to those of its group. Use --processes."
            ) from error

    def own(self, settings: Settings) -> Settings:
        """The settings of this process: a static member of a consumer group needs a name that no other has."""
        if settings.instance_id is None:
            return settings
        # No host and no pod can have this name: theirs have no underscore.
        return settings.model_copy(update={"instance_id": f"{settings.instance_id}_{self.number}"})


def end_with_parent() -> None:
    """Ask this process to end when its standard input does: without its parent nothing else would end it."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(_STDIN, 1):
            loop.remove_reader(_STDIN)
            os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(_STDIN, look)
