"""One `/metrics` for a group from those of its processes. It asks nobody.

- Counters and histograms are summed. A sum never decreases: what an ended process had counted when it was last asked
  stays in it. Else Prometheus would take a restart for a reset, and count all that is left as new.
- Gauges, and what describes a process of the operating system, have the label `process`: ages can't be summed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

LABEL: Final = "process"
_SUMMED: Final = frozenset({"counter", "histogram"})
_OF_THE_SYSTEM: Final = "process_"
_Series = tuple[str, str, tuple[tuple[str, str], ...]]
_Counts = dict[_Series, float]


@dataclass(frozen=True, slots=True)
class MemberText:
    """What a process answered. generation: how often it had been started again."""

    generation: int
    text: str


class GroupTotals:
    """What each process counted when it was last asked, and what those that have ended had counted."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[str, str]] = {}
        self._ended: _Counts = {}
        self._last: dict[int, tuple[int, _Counts]] = {}

    def merged(self, answers: Mapping[int, MemberText]) -> Iterable[Metric]:
        """The families of all processes. A process that does not answer counts as it last did."""
        found: dict[str, Metric] = {}
        for number, answer in answers.items():
            counted: _Counts = {}
            for family in text_string_to_metric_families(answer.text):
                if family.type in _SUMMED and not family.name.startswith(_OF_THE_SYSTEM):
                    self._shapes[family.name] = family.documentation, family.type
                    counted |= {(family.name, one.name, tuple(one.labels.items())): one.value for one in family.samples}
                    continue
                metric = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for one in family.samples:
                    metric.add_sample(one.name, {**one.labels, LABEL: str(number)}, one.value)
            self._note(number, answer.generation, counted)
        return [*found.values(), *self._sums()]

    def _note(self, number: int, generation: int, counted: _Counts) -> None:
        before, last = self._last.get(number, (generation, {}))
        if before != generation:
            _add(self._ended, last)
        self._last[number] = generation, counted

    def _sums(self) -> Iterable[Metric]:
        totals = dict(self._ended)
        for _, counted in self._last.values():
            _add(totals, counted)
        found = {name: Metric(name, *shape) for name, shape in self._shapes.items()}
        for (family, name, labels), value in totals.items():
            found[family].add_sample(name, dict(labels), value)
        return found.values()


def _add(totals: _Counts, counted: _Counts) -> None:
    for series, value in counted.items():
        totals[series] = totals.get(series, 0.0) + value
