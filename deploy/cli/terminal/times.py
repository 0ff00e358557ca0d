"""Parses a time given as RFC 3339, or as a duration before now. Pure."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from stripeline.contracts.retry_tiers import DAY_MS, parse_duration_ms

Since = Annotated[str | None, typer.Option(help="Only since: 2026-01-31T12:00:00Z, or 2h for two hours ago.")]
Until = Annotated[str | None, typer.Option(help="Only until: 2026-01-31T12:00:00Z, or 2h for two hours ago.")]


def moment_ms(text: str | None, now_ms: int, option: str) -> int | None:
    """Milliseconds since the epoch. Raises BadParameter, so that the command exits with 2."""
    if text is None:
        return None
    try:
        return now_ms - _duration_ms(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no moment: write 2026-01-31T12:00:00Z, or 90s, 15m, 2h, 3d for that long ago",
            param_hint=option,
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _duration_ms(text: str) -> int:
    days = text.removesuffix("d")
    return int(days) * DAY_MS if days != text and days.isdecimal() else parse_duration_ms(text)
