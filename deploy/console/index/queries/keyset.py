"""Pages of a long list: each begins behind the last row of the one before, whatever was added meanwhile. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

PAGE_ROWS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one page. next: where the next page begins, as its address has it; None on the last one."""

    rows: Sequence[Row[Any]]
    next: str | None = None


def cursor(*parts: object) -> str:
    """`1764470000000~evt_1:thanks`: the values by which a list is sorted, of its last row."""
    return "~".join(str(part) for part in parts)


def cursor_parts(text: str | None, count: int) -> list[str] | None:
    """The values of a cursor; None for a text that is none."""
    parts = text.split("~", count - 1) if text else []
    return parts if len(parts) == count and parts[0].lstrip("-").isdecimal() and len(parts[0]) < 20 else None  # noqa: PLR2004  (digits of a BIGINT)
