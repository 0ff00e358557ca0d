"""What is wrong with a configuration file, or doubtful: each with its line, place and reason. Shows no secret."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stripeline.contracts.masking import mask_text
from stripeline.deploy.failure import FailureError

Place = tuple[str | int, ...]
"""Where a value stands: `("workflows", "thank", "steps", 0, "input")`."""


_SHOWN: Final = 50
"""Of the problems of one file: its first ones cause most of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, where it stands, and what to write instead. warning: it may be what its author means."""

    place: Place
    reason: str
    line: int | None = None
    warning: bool = False

    def row(self) -> dict[str, Any]:
        """For a pipeline."""
        return {"line": self.line, "place": dotted(self.place), "message": mask_text(self.reason)}


class ConfigurationError(FailureError):
    """A configuration file that was refused, with every problem found."""

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(in_order(problems))
        lines = [sentence(file, problem) for problem in self.problems[:_SHOWN]]
        more = len(self.problems) - _SHOWN
        super().__init__("\n".join(lines if more <= 0 else [*lines, f"{file}: and {more} more"]))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """As they stand in the file; each once."""
    return sorted(dict.fromkeys(problems), key=lambda one: (one.line or 0, dotted(one.place), one.reason))


def dotted(place: Place) -> str:
    """`workflows.thank.steps[0].input`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def sentence(file: Path, problem: Problem) -> str:
    """`acme.yaml:12: workflows.thank.where: …`."""
    where = f"{file}:{problem.line}" if problem.line else str(file)
    reason = mask_text(problem.reason)
    return f"{where}: {dotted(problem.place)}: {reason}" if problem.place else f"{where}: {reason}"
