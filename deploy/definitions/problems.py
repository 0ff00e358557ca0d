"""What is wrong with a configuration file: each problem with its line, its place and its reason. Shows no secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stripeline.deploy.failure import FailureError

Place = tuple[str | int, ...]
"""Where a value stands: `("workflows", "thank", "steps", 0, "input")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, where it stands, and what to write instead."""

    place: Place
    reason: str
    line: int | None = None


class ConfigurationError(FailureError):
    """A configuration file that was refused, with every problem found."""

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(_line(file, problem) for problem in problems))


def dotted(place: Place) -> str:
    """`workflows.thank.steps[0].input`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _line(file: Path, problem: Problem) -> str:
    where = f"{file}:{problem.line}" if problem.line else str(file)
    return f"{where}: {dotted(problem.place)}: {problem.reason}" if problem.place else f"{where}: {problem.reason}"
