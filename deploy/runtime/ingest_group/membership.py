"""What a process of an ingest group has from its parent: its number, the socket of its admin pages, and a lifeline."""

import asyncio
import os
import signal
import socket
from dataclasses import dataclass
from typing import Self

from stripeline.deploy.failure import FailureError

_STDIN = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMembership:
    """number: from 1. listener: a loopback socket that listens, where the parent asks for the admin pages."""

    number: int
    listener: socket.socket

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2:7`: the second process, with the socket of file descriptor 7. Raises FailureError."""
        try:
            number, fd = map(int, text.split(":"))
            return cls(number=number, listener=socket.socket(fileno=fd))
        except (ValueError, OSError) as error:
            raise FailureError(
                "--member is not for people: ingest gives it to its own processes. Use --processes."
            ) from error


def end_with_parent() -> None:
    """Ask this process to end when its standard input does: its parent is gone, and nobody would end it."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(_STDIN, 1):
            loop.remove_reader(_STDIN)
            os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(_STDIN, look)
