"""A moment as a person writes it: RFC 3339, or how long ago. Pure."""

from datetime import UTC, datetime

from stripeline.contracts.retry_tiers import DAY_MS, parse_duration_ms


def moment_at(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch. Raises ValueError with what to write instead."""
    try:
        return max(0, now_ms - span_ms(text))  # 9,999 years ago is no timestamp of Kafka's
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment: write 2026-01-31T12:00:00Z, or 90s, 15m, 2h, 3d for that long ago"
        ) from None
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


def span_ms(text: str) -> int:
    """`90s`, `15m`, `2h`, `3d` in milliseconds. Raises ValueError."""
    days = text.strip().removesuffix("d")
    return int(days) * DAY_MS if days != text.strip() and days.isdecimal() else parse_duration_ms(text)
