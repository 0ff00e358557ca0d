"""How the sweeps of one process are: what they found, what keeps them, and when they are tried again. Pure.

A connection that fails is tried again after a minute, then less often: the others go on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stripeline.contracts.deliveries.delivery_vocabulary import SweepKind, SweepTrouble
from stripeline.contracts.operator.stripe_side_records import Sweep
from stripeline.deploy.stripe_side.sweeps.sweep_windows import overdue_s

_FIRST_RETRY_MS: Final = 60_000
_LAST_RETRY_MS: Final = 600_000
_MOST_NAMED: Final = 3


class Failing(NamedTuple):
    """words: for a person. times: in a row. next_ms: when it is tried again."""

    words: str
    times: int
    next_ms: int


@dataclass(slots=True)
class SweepState:
    """All by connection.

    backfilled: events that were published, also by trigger.
    failures: also by reason.
    listed: events of Stripe's list that were compared.
    undeclared: triggers whose endpoint, made by a person, sends events of connected accounts.
    """

    backfilled: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)
    undeclared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _failing: dict[str, Failing] = field(default_factory=dict)

    def may_try(self, connection: str, now_ms: int) -> bool:
        failing = self._failing.get(connection)
        return failing is None or now_ms >= failing.next_ms

    def failed(self, connection: str, trouble: SweepTrouble, words: str, now_ms: int) -> None:
        self.failures[connection, trouble] += 1
        before = self._failing.get(connection)
        times = 0 if before is None else before.times
        wait_ms = min(_FIRST_RETRY_MS * 2**times, _LAST_RETRY_MS) if times < 10 else _LAST_RETRY_MS  # noqa: PLR2004
        self._failing[connection] = Failing(words, times + 1, now_ms + wait_ms)

    def well(self, connection: str) -> None:
        self._failing.pop(connection, None)

    def forget(self, connections: Mapping[str, object]) -> None:
        """Those that are not swept any more."""
        for gone in self._failing.keys() - connections.keys():
            del self._failing[gone]
        for gone in self.undeclared.keys() - connections.keys():
            del self.undeclared[gone]

    def warnings(self) -> str | None:
        """What is not compared, and why, in words; None when all is."""
        found = [
            *(f"events of connection {name} that never came are not looked for: {one.words}"
              for name, one in sorted(self._failing.items())),
            *(f"{' and '.join(triggers)} of connection {name}: events of connected accounts come there, and an endpoint"
              " that is defined with `connect: true` has to say so before those that never came are looked for"
              for name, triggers in sorted(self.undeclared.items()) if triggers),
        ]  # fmt: skip
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return "; ".join(found[:_MOST_NAMED]) + more or None


class SweepView(NamedTuple):
    """The sweeps as the metrics show them. known: how far each connection's came; of the process that sweeps."""

    state: SweepState
    known: Mapping[str, Sweep]
    calls: int
    now_ms: int

    def missing(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Of the last window of each kind."""
        for name, sweep in self.known.items():
            yield (name, SweepKind.SETTLE), sweep.settled_missing
            yield (name, SweepKind.CLOSE), sweep.missing

    def overdue(self) -> Iterator[tuple[tuple[str, str], int]]:
        for name, sweep in self.known.items():
            for kind, age_s in overdue_s(sweep, self.now_ms // 1000).items():
                yield (name, kind), age_s
