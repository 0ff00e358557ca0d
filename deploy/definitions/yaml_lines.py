"""Reads YAML into plain values, and remembers the line of each. Knows nothing of what the values mean.

YAML's own loader keeps the last of two equal keys without a word, and turns a date into an object that JSON has not:
both are refused here, with their line.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from stripeline.deploy.definitions.problems import Place, Problem

_MAX_VALUES: Final = 20_000
_MAX_DEPTH: Final = 30
_INT64: Final = 2**63


class YamlError(Exception):
    """The file is not what we read; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's values, and the line on which each place of it stands."""

    value: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest place around it that stands in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


@dataclass(slots=True)
class _Walk:
    """One reading of a file."""

    loader: yaml.SafeLoader
    lines: dict[Place, int] = field(default_factory=dict)
    count: int = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        self.count += 1
        if self.count > _MAX_VALUES or len(place) > _MAX_DEPTH:  # an alias may stand for ever more, or for itself
            raise self._refused(node, place, "there is too much in here, or an alias that contains itself")
        match node:
            case yaml.MappingNode():
                return self._mapping(node, place)
            case yaml.SequenceNode():
                return [self.value(item, (*place, position)) for position, item in enumerate(node.value)]
            case _:
                return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key in result:
                first = self.lines[(*place, key)]
                raise self._refused(key_node, (*place, key), f"it stands here twice, first in line {first}: keep one")
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*place, key))
        return result

    def _key(self, node: yaml.Node, place: Place) -> str:
        if node.tag == "tag:yaml.org,2002:merge":
            raise self._refused(node, place, "`<<` is not read here: write the fields out")
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
            raise self._refused(node, place, "a name must be a text: put it in quotes")
        return str(node.value)

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        try:
            value = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise self._refused(node, place, "this value can't be read: put it in quotes") from None
        too_large = isinstance(value, int) and not -_INT64 <= value < _INT64
        no_number = isinstance(value, float) and not math.isfinite(value)
        if too_large or no_number or not isinstance(value, str | int | float | None):
            raise self._refused(node, place, "a record can't carry this value: put it in quotes to make it a text")
        return value

    @staticmethod
    def _refused(node: yaml.Node, place: Place, reason: str) -> YamlError:
        return YamlError(Problem(place=place, reason=reason, line=node.start_mark.line + 1))


def read_yaml(text: str) -> Document:
    """The values of one YAML document. Raises Refused."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlError(Problem(place=(), reason=f"this is not YAML: {error.problem}", line=line)) from None
    except yaml.YAMLError:
        raise YamlError(
            Problem(place=(), reason="this is not YAML: it has characters that YAML does not allow")
        ) from None
    walk = _Walk(loader=loader)
    value = {} if node is None else walk.value(node, ())
    return Document(value=value, lines=walk.lines)
