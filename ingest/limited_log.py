"""Ingest's error lines that its clients can cause: bounded by `contracts/log_limit.py`."""

import time
from collections.abc import Callable
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from stripeline.contracts.log_limit import LogLimit
from stripeline.contracts.vocabulary import LogEvent

EVERY_S: Final = 10.0


class LimitedLog:
    """Errors of one logger, one line of a kind every ten seconds. A line has the number of those `left_out` before."""

    def __init__(self, log: FilteringBoundLogger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log, self._monotonic = log, monotonic
        self._limit = LogLimit(EVERY_S)

    def error(self, event: LogEvent, kind: str, **fields: Any) -> None:
        left_out = self._limit.admit(kind, self._monotonic())
        if left_out is not None:
            self._log.error(event, **fields, left_out=left_out)
