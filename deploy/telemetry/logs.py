"""How processes log: JSON lines on standard error, or readable ones in a terminal; secrets masked, lines bounded.

The last stand against a secret in a log: whoever logs must not log secrets in the first place.
"""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stripeline.deploy.telemetry.masking import mask

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
    handler.addFilter(SayOnce())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # aiohttp writes a traceback per malformed request, and an access line per delivery: a way to fill a disk.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL)


class SayOnce(logging.Filter):
    """Lets the Kafka client say the same thing once in a while: without a broker it says it 50 times a second."""

    def __init__(self, every_s: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s, self._now = every_s, now
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        said = (record.name, str(record.msg))
        now_s = self._now()
        if now_s - self._said.get(said, -self._every_s) < self._every_s:
            return False
        self._said[said] = now_s  # keyed by the text before its values, so by as many as the client has
        return True


def formatter(*, readable: bool) -> logging.Formatter:
    """One line a record: for a person, or as JSON."""
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
    """Mask secrets in every field, and cut what is too long."""
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
