"""Asks before something is done that can't be undone: at a terminal with a question, in a pipe with `--yes` alone."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.failure import FailureError

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Without a terminal, removals need it.")]


def require_consent(title: str, consequences: Iterable[str], *, yes: bool) -> None:
    """Say what it means, and ask. Raises FailureError where the answer is no, or nobody can be asked."""
    output.note(title)
    for line in consequences:
        output.note(f"  {line}")
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise FailureError("Nothing was changed: this must be confirmed. Say --yes where nobody can be asked.")
    if not typer.confirm("Go on?", default=False, err=True):
        raise FailureError("Nothing was changed.")
