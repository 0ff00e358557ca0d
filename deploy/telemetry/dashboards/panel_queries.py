"""What a panel asks Prometheus, from the row of its metric. Pure.

- A counter is shown a second, a histogram as its median and its 99th percentile, a gauge as it is.
- Over processes a gauge is added up, unless each shows the same thing or its worst is what counts: its row says so.
- Partitions are added up too, or the worst of them is shown: which one it is, the console and /readyz say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from stripeline.deploy.telemetry.collector import MetricRow

_DROPPED: Final = frozenset({"partition", "process"})
_UNITS: Final[Mapping[str, str]] = {"_seconds": "s", "_bytes": "bytes", "_ratio": "percentunit"}
_QUANTILES: Final = ("0.5", "0.99")
_STEP: Final = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and how Grafana names its series."""

    expression: str
    legend: str


def queries(row: MetricRow[Any]) -> Sequence[Query]:
    kept = [label for label in row.labels if label not in _DROPPED]
    legend = " ".join(f"{{{{{label}}}}}" for label in kept)
    chosen = _chosen(row)
    match row.kind:
        case "counter":
            return (Query(f"sum{_by(kept)} (rate({row.name}{chosen}[{_STEP}]))", legend or "all"),)
        case "gauge":
            return (Query(f"{row.over}{_by(kept)} ({row.name}{chosen})", legend or "all"),)
        case "histogram":
            return [
                Query(
                    f"histogram_quantile({at}, sum{_by([*kept, 'le'])} (rate({row.name}_bucket{chosen}[{_STEP}])))",
                    f"{legend} p{float(at) * 100:.0f}".strip(),
                )
                for at in _QUANTILES
            ]
        case never:
            assert_never(never)


def unit(row: MetricRow[Any]) -> str:
    """Grafana's name of the unit, from the name of the metric, which ends in its base unit."""
    if row.kind == "counter":
        return "cps"
    return next((unit for ending, unit in _UNITS.items() if row.name.endswith(ending)), "short")


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _chosen(row: MetricRow[Any]) -> str:
    """The variables of the dashboard. An installation without namespaces has none, which `All` includes."""
    connection = ',connection=~"$connection"' if "connection" in row.labels else ""
    return f'{{namespace=~"$namespace",job=~"$job"{connection}}}'
