"""What a module of this folder adds to `stripeline`: its constant `COMMANDS`, found by `app.py`.

A new command is one new file: its function or its group, and a row for each in `COMMANDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import typer


class Panel(Enum):
    """A heading of `stripeline --help`, in the order of this list."""

    TRY = "Try it out"
    SET_UP = "Set it up"
    RUN = "Run it"
    LOOK = "Inspect and repair"
    DEVELOP = "Build on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command, or a group of commands. place: its rank under its heading."""

    name: str
    does: Callable[..., Any] | typer.Typer
    panel: Panel
    place: int
