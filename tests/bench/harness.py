"""What a benchmark is here: contenders that run in alternating rounds of one run, and tables of their medians.

How to add one: write `tests/bench/<name>.py` with `async def job(lab: Lab) -> Sequence[Table]`, and name it in `JOBS`
of `tests/bench/__main__.py`. In it:

    medians = await alternate(lab, {"floor": floor, "ours": ours})      # each: async () -> {"cpu_us": …, "per_s": …}
    return [Table(title="Ingest", about="…", columns=(Column("cpu_us", "CPU a record, µs", 1),), rows=medians)]

A contender is one round: it starts its own process (`tests.bench.processes`), loads it, and gives numbers. The load
generator, the broker and the process under test share the cores, so CPU per record (`processes.cpu_s`) is the number
that compares, and throughput stands beside it. Nothing here asserts a time.
"""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Sample = Mapping[str, float]
Contender = Callable[[], Awaitable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What a job gets: a real Kafka, an empty folder, how often and how long to measure, and where to say so."""

    bootstrap_servers: str
    folder: Path
    rounds: int
    seconds: float
    note: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Column:
    """One measure of a sample. `of` names the contender to divide by: the column then shows a ratio."""

    measure: str
    label: str
    digits: int = 0
    of: str | None = None

    def text(self, rows: Mapping[str, Sample], name: str) -> str:
        value = rows[name].get(self.measure)
        if value is None:
            return "-"
        return f"{value / rows[self.of][self.measure]:.2f}" if self.of else f"{value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Lines over one x axis, from 0 on both: `lines` holds the (x, y) points of each."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A result. `about` says what was done and on what; `rows` are samples by the contender's name."""

    title: str
    about: str
    columns: Sequence[Column]
    rows: Mapping[str, Sample]
    plot: Plot | None = None

    def cells(self) -> list[list[str]]:
        """The rows as text, the contender's name first."""
        return [[name, *(column.text(self.rows, name) for column in self.columns)] for name in self.rows]


async def alternate(lab: Lab, contenders: Mapping[str, Contender]) -> dict[str, Sample]:
    """Each contender once a round, every other round backwards, so that a drift of the machine meets all of them."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(lab.rounds):
        for name in order(list(contenders), number):
            sample = await contenders[name]()
            samples[name].append(sample)
            shown = ", ".join(f"{measure} {value:,.1f}" for measure, value in sample.items())
            lab.note(f"round {number + 1} of {lab.rounds}, {name}: {shown}")
    return {name: medians(given) for name, given in samples.items()}


def order(names: Sequence[str], number: int) -> Sequence[str]:
    return names if number % 2 == 0 else names[::-1]


def medians(samples: Sequence[Sample]) -> Sample:
    """The median of each measure that any of the samples has."""
    measures = dict.fromkeys(measure for sample in samples for measure in sample)
    return {
        measure: statistics.median(sample[measure] for sample in samples if measure in sample) for measure in measures
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
