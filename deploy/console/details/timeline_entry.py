"""One entry of a time line. Pure."""

from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """until_ms: its end, or now where it goes on; None for a moment. state, code: shown as badges."""

    at_ms: int
    words: str
    until_ms: int | None = None
    about: Markup = field(default=Markup(""))
    state: str | None = None
    code: str | None = None
    detail: str | None = None
