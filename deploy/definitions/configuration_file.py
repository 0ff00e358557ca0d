"""A configuration file as it was read: the right shape, and the line of each place. Knows nothing of what is stored."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from stripeline.deploy.definitions.problems import ConfigurationError, Problem, in_order
from stripeline.deploy.definitions.shape import Written, shape
from stripeline.deploy.definitions.yaml_lines import Document, YamlError, read_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationFile:
    """A file as it was read: its sections, and the line of each place."""

    path: Path
    document: Document
    written: Written

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems with their lines, as they stand in the file."""
        return in_order(replace(one, line=self.document.line(one.place)) for one in problems)

    def require(self, problems: Iterable[Problem]) -> list[Problem]:
        """The warnings among these, placed. Raises ConfigurationError if one is none."""
        placed = self.placed(problems)
        if wrong := [one for one in placed if not one.warning]:
            raise ConfigurationError(self.path, wrong)
        return placed


def read_file(path: Path) -> ConfigurationFile:
    """A file of the right shape. Raises ConfigurationError with every problem, each with its line."""
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except YamlError as error:
        raise ConfigurationError(path, [error.problem]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(path, [Problem(place=(), reason=f"the file can't be read: {reason}")]) from None
    written = shape(document.value)
    if isinstance(written, list):
        found = [replace(one, line=document.line(one.place)) for one in written]
        raise ConfigurationError(path, found)
    return ConfigurationFile(path=path, document=document, written=written)
