"""Parses a time given as RFC 3339, or as a duration before now. Pure."""

from typing import Annotated

import typer

from stripeline.deploy.operations.reading.moments import moment_at

Since = Annotated[str | None, typer.Option(help="Only since: 2026-01-31T12:00:00Z, or 2h for two hours ago.")]
Until = Annotated[str | None, typer.Option(help="Only until: 2026-01-31T12:00:00Z, or 2h for two hours ago.")]


def moment_ms(text: str | None, now_ms: int, option: str) -> int | None:
    """Milliseconds since the epoch. Raises BadParameter, so that the command exits with 2."""
    if text is None:
        return None
    try:
        return moment_at(text, now_ms)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
