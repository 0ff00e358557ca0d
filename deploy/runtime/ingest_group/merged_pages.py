"""The admin pages of a group from those of its processes. It asks nobody.

- Ready when at least one process is ready: only processes that listen get connections, and another host can't help the
  others. Each that is not ready is a warning, with its words.
- Broken when a process is: only a restart helps it.
- Metrics are those of all processes, with the label `process`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

LABEL = "process"
Page = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessHealth:
    """What one process says. state: why it says nothing, such as `starts`."""

    ready: bool = False
    state: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


def readyz(members: Mapping[int, ProcessHealth], *, ending: bool) -> Page:
    ready = [number for number, one in members.items() if one.ready]
    not_ready = _named((number, _lacks(one)) for number, one in members.items() if not one.ready)
    warnings = _named((number, one.warnings) for number, one in members.items())
    counts = {"processes": {"ready": len(ready), "of": len(members)}}
    if ending:
        return 503, {"status": "not ready", "missing": {"process": "the process is ending"}, **counts}
    if not ready:
        return 503, {"status": "not ready", "missing": not_ready, **counts}
    both = {**not_ready, **warnings}
    return 200, {"status": "ready", **counts, **({"warnings": both} if both else {})}


def healthz(members: Mapping[int, ProcessHealth]) -> Page:
    broken = _named((number, one.broken) for number, one in members.items())
    return (503, {"status": "broken", "reasons": broken}) if broken else (200, {"status": "ok"})


def metrics(texts: Mapping[int, str]) -> Iterable[Metric]:
    """The families of all processes' `/metrics`."""
    found: dict[str, Metric] = {}
    for number, text in texts.items():
        for family in text_string_to_metric_families(text):
            metric = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                metric.add_sample(sample.name, {**sample.labels, LABEL: str(number)}, sample.value)
    return found.values()


def _lacks(one: ProcessHealth) -> Mapping[str, str]:
    return one.missing or {"state": one.state or "does not answer"}


def _named(found: Iterable[tuple[int, Mapping[str, str]]]) -> dict[str, str]:
    return {f"process {number}: {name}": words for number, said in found for name, words in said.items()}
