"""What a run found, as a page to be read: the sets and their rules, the faults, the processes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.samples import Trend

SHOWN = 5
FLAT, TELLING_S, MAY_GROW_MIB = frozenset({"ingest"}), 300, 32
OF_KAFKA = "Kafka broke a promise of its own (docs/faults.md)"


@dataclass
class Struck:
    """One fault that struck, and what the receiver's clients saw meanwhile."""

    name: str
    seconds: float
    acknowledged: int
    refused: int


@dataclass(kw_only=True)
class Report:
    seed: int
    seconds: float
    counts: Mapping[str, int]
    rules: Mapping[str, Sequence[Any]]
    struck: Sequence[Struck]
    trends: Mapping[str, Trend]
    ended_by_themselves: Sequence[str]
    in_logs: Mapping[str, Sequence[str]]  # what must not be in a log, by what it is
    answers: Mapping[str, int]
    worked_off_s: float
    stuck: Sequence[str] = field(default_factory=tuple)
    kafkas_own: Sequence[str] = field(default_factory=tuple)  # what Kafka did that excuses us

    @property
    def problems(self) -> list[str]:
        found = [f"{rule}: {_some(offenders)}" for rule, offenders in self.rules.items() if offenders]
        found += [f"{what} in a log: {_some(lines)}" for what, lines in self.in_logs.items() if lines]
        found += [f"ended by itself: {name}" for name in self.ended_by_themselves]
        found += [
            f"{name} grew by {trend.grown_mib:.0f} MiB" for name, trend in self.trends.items() if self._grows(name)
        ]
        return found + list(self.stuck)

    def _grows(self, name: str) -> bool:
        """A worker keeps commands and runs for as long as they may come again: it grows with them. Nobody else may."""
        return name in FLAT and self.seconds >= TELLING_S and self.trends[name].grown_mib > MAY_GROW_MIB

    def text(self) -> str:
        head = f"seed {self.seed}, {self.seconds:.0f} s, worked off {self.worked_off_s:.1f} s after the last delivery"
        parts = [head, _sets(self.counts), _rules(self.rules), _faults(self.struck), _processes(self.trends)]
        parts.append("Answers to deliveries: " + ", ".join(f"{how} {n}" for how, n in sorted(self.answers.items())))
        problems = self.problems
        verdict = "\n".join(["BROKEN", *problems]) if problems else "All promises are kept."
        if self.kafkas_own:
            parts.append(f"{OF_KAFKA}: {len(self.kafkas_own)} times\n  {self.kafkas_own[0]}")
        return "\n\n".join([*parts, verdict]) + "\n"


def _some(offenders: Sequence[Any]) -> str:
    more = f" and {len(offenders) - SHOWN} more" if len(offenders) > SHOWN else ""
    return ", ".join(map(str, offenders[:SHOWN])) + more


def _sets(counts: Mapping[str, int]) -> str:
    return "\n".join(["Sets", *(f"  {name:<34}{count:>9,}" for name, count in counts.items())])


def _rules(rules: Mapping[str, Sequence[Any]]) -> str:
    rows = (f"  {'BROKEN' if offenders else 'ok':<7}{rule}" for rule, offenders in rules.items())
    return "\n".join(["Rules", *rows])


def _faults(struck: Sequence[Struck]) -> str:
    rows = [f"{'Faults':<20}{'times':>7}{'seconds':>9}{'acknowledged':>14}{'refused':>9}   (deliveries meanwhile)"]
    for name in sorted({one.name for one in struck}):
        mine = [one for one in struck if one.name == name]
        total = [sum(getattr(one, column) for one in mine) for column in ("seconds", "acknowledged", "refused")]
        rows.append(f"  {name:<18}{len(mine):>7}{total[0]:>9.1f}{total[1]:>14,}{total[2]:>9,}")
    return "\n".join(rows)


def _processes(trends: Mapping[str, Trend]) -> str:
    rows = [f"{'Processes':<20}{'RSS MiB, first and last quarter':>33}{'grown':>8}{'file descriptors':>20}"]
    for name, trend in sorted(trends.items()):
        rss, fds = trend.rss_mib, trend.fds
        rows.append(f"  {name:<18}{rss[0]:>24.1f}{rss[1]:>9.1f}{trend.grown_mib:>8.1f}{fds[0]:>14.0f}{fds[1]:>6.0f}")
    return "\n".join(rows)
