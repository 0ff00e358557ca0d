"""Says how far a long search of the topics has come, on standard error: one line every two seconds."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from stripeline.contracts.headers import rfc3339
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.operations.reading.topic_reader import Progress

_EVERY_S: Final = 2.0


@contextlib.contextmanager
def search_progress() -> Iterator[Callable[[Progress], None]]:
    """What to call with each step of the search."""
    said_s = time.monotonic()

    def watch(progress: Progress) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= _EVERY_S:
            said_s = time.monotonic()
            output.note(
                f"read {progress.read:,} records, back to {rfc3339(progress.back_to_ms)}: {progress.found} found"
            )

    yield watch
