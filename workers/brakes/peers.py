"""What the tasks of other processes have begun, as their reports say. Pure.

A report is of a process; what counts is by partition number, since a partition's next owner restores what its former
one had begun, and a process that ends cleanly deletes its report. Of each partition the newest report counts. A task of
this process is never looked up here: its own state is newer.

Invariants:
- The spending of a partition is forgotten only when its next report replaces it, or its hour is over.
- A process that has just begun to read, or that hears nothing, is not `fresh`: it must not use up what others may have.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Final

from stripeline.contracts.operator.spending import BrakeKind, Spending, TaskSpending

SETTLED_MS: Final = 15_000
"""Three reports: from then on every partition with an owner has been heard of."""
SILENT_MS: Final = 15_000
"""A process that has not heard of the others for so long does not know what they have begun."""


class Peers:
    """The newest spending of each partition."""

    def __init__(self) -> None:
        self._known: dict[tuple[BrakeKind, int], tuple[int, TaskSpending]] = {}
        self._read_ms: int | None = None
        self._heard_ms: int | None = None

    def learn(self, spent: Iterable[TaskSpending], at_ms: int) -> None:
        """A report that the broker appended at this time."""
        for task in spent:
            place = (task.kind, task.partition)
            if place not in self._known or self._known[place][0] <= at_ms:
                self._known[place] = (at_ms, task)

    def heard(self, now_ms: int) -> None:
        """All reports that there are have been read."""
        self._read_ms = now_ms if self._read_ms is None else self._read_ms
        self._heard_ms = now_ms

    def fresh(self, kind: BrakeKind, partitions: int, own: Container[int], now_ms: int) -> bool:
        """Whether what the others have begun is known, up to the last report of each."""
        if self._read_ms is None or self._heard_ms is None or now_ms - self._heard_ms > SILENT_MS:
            return False
        if now_ms - self._read_ms >= SETTLED_MS:
            return True
        return all(number in own or (kind, number) in self._known for number in range(partitions))

    def elsewhere(self, kind: BrakeKind, name: str, own: Container[int]) -> Iterator[Spending]:
        """What the partitions of others have begun for a connection or a workflow."""
        for (of, number), (_, task) in self._known.items():
            if of == kind and number not in own and name in task.names:
                yield task.names[name]
