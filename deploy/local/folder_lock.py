"""One process a folder: a lock that the system releases when its process dies, and that says who holds it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stripeline.contracts.headers import rfc3339
from stripeline.deploy.failure import FailureError


@contextlib.contextmanager
def only_one(lock: Path, what: str, other: str) -> Iterator[None]:
    """Hold the lock within the block. Raises FailureError with the holder's pid where another process has it.

    A process that was killed holds nothing: its lock is taken over. `other`: what to do instead of stopping that one.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FailureError(_held(lock, what, other)) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "since_ms": int(time.time() * 1000)}))
        file.flush()
        yield


def _held(lock: Path, what: str, other: str) -> str:
    try:
        holder = json.loads(lock.read_text(encoding="utf-8"))
        since, pid = rfc3339(holder["since_ms"]), holder["pid"]
    except (ValueError, KeyError, TypeError):  # it has just begun
        return f"{what} is already running in {lock.parent.absolute()}. Stop it there, or {other}."
    return (
        f"{what} is already running in {lock.parent.absolute()}, since {since}, pid {pid}. Stop it with Ctrl-C in its"
        f" terminal, or with `kill {pid}`; or {other}."
    )
