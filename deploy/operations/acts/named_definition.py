"""Requires that what a person named is defined. Pure."""

from typing import Literal

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.failure import FailureError


def require(stored: Definitions, kind: Literal["connection", "workflow"], name: str) -> None:
    """Raise FailureError, with the names that there are, for one that is not defined."""
    there = stored.connections if kind == "connection" else stored.workflows
    if name not in there:
        choice = ", ".join(sorted(there)) or "none yet"
        raise FailureError(f"There is no {kind} {name!r}. There is {choice}.")
