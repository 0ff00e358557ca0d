"""Configures logging: JSON lines on standard error, readable lines in a terminal; secrets masked, lines bounded.

Masking is the last line of defence: code that logs must not log secrets in the first place.
"""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stripeline.contracts.log_limit import LogLimit
from stripeline.contracts.masking import mask

_MAX_TEXT: Final = 2_000
_MAX_TRACEBACK: Final = 8_000


def configure_logs(level: str) -> None:
    """Send our logs and the libraries' to standard error. Called once, when a process starts."""
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(readable=sys.stderr.isatty()))
    handler.addFilter(LimitedKafkaClient())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # aiohttp writes a traceback per malformed request and an access line per delivery, which could fill a disk.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL)


class LimitedKafkaClient(logging.Filter):
    """Bounds the lines of aiokafka: without a broker it repeats one 50 times a second."""

    def __init__(self, every_s: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._limit, self._now = LogLimit(every_s), now

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        # By the text before its values, so that there are as many kinds as the client has lines.
        return self._limit.admit((record.name, str(record.msg)), self._now()) is not None


def formatter(*, readable: bool) -> logging.Formatter:
    """One line per record: readable, or JSON."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    before: tuple[Processor, ...] = () if readable else (structlog.processors.format_exc_info,)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *before, redact, renderer],
    )


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask secrets in every field, and truncate long ones."""
    return {name: _bounded(name, mask(value)) for name, value in event.items()}


def _bounded(name: str, value: Any) -> Any:
    limit = _MAX_TRACEBACK if name == "exception" else _MAX_TEXT
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]}… ({len(value)} characters)"
    return value


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
