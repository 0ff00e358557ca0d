"""Which command each run waits for, as the run topic has it: what a connection with `commands: own` takes. Pure.

The router writes a run and the command of its present step in one transaction, to one partition number. So a command is
the run's own when the newest record of its run names it: id, step, action, connection, and the fingerprint of its
input, which the router writes where the connection is `own`. A run that began its step before the connection was has no
fingerprint; then the rest decides.

Runs are read as soon as the router has appended them, before its transaction ends, and so before their command can be
read. A record of a transaction that came to nothing is replaced by the router's next one.

Invariants:
- A command is foreign only when all of its partition was read up to a time after its run must have been appended:
  after the command came into a tier, or after the longest transaction that can have appended it.
- A run that succeeded waits for nothing, and is not kept.
"""

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from stripeline.contracts.internal_records import UnreadableRecordError, read
from stripeline.contracts.records import Command

CLOCKS_MS: Final = 2_000
"""Between the clocks of two brokers, and of this host."""


TRANSACTION_MS: Final = 30_000
"""The longest that a transaction of a router is open: its timeout, and the time in which Kafka notices that."""


class Ownership(Enum):
    """What the run topic says of a command."""

    OWN = auto()
    UNSEEN = auto()  # not there yet, as far as it was read
    FOREIGN = auto()


class _Step(Struct, frozen=True, kw_only=True):
    id: str
    command_id: str
    action: str
    digest: str | None = None


class _Defined(Struct, frozen=True, kw_only=True):
    id: str
    connection: str


class _Run(Struct, frozen=True, kw_only=True):
    status: str
    steps: tuple[_Step, ...]
    definition: tuple[_Defined, ...] | None


class _Waits(Struct, frozen=True):
    command_id: str
    step: str
    action: str
    connection: str | None
    digest: str | None


class OwnRuns:
    """The runs of the partitions that this process works on."""

    def __init__(self) -> None:
        self._waits: dict[int, dict[str, _Waits]] = {}
        self._read_to_ms: dict[int, int] = {}

    def learn(self, partition: int, run_id: str, value: bytes | None) -> None:
        """A record of the run topic, in order."""
        runs = self._waits.setdefault(partition, {})
        runs.pop(run_id, None)
        waits = None if value is None else _waits_of(value)
        if waits is not None:
            runs[run_id] = waits

    def read_to(self, partition: int, at_ms: int) -> None:
        """All that the partition had at this time was read."""
        self._read_to_ms[partition] = max(at_ms, self._read_to_ms.get(partition, 0))

    def forget(self, partition: int) -> None:
        """It is another process's now, and is read again from its beginning when it comes back."""
        self._waits.pop(partition, None)
        self._read_to_ms.pop(partition, None)

    def standing(
        self, command: Command, digest: str, partition: int, *, first_appended_ms: int, returned_ms: int | None
    ) -> Ownership:
        """What the topic says of a command. returned_ms: when it went into a tier, where it waited for its run."""
        run = command.run
        waits = None if run is None else self._waits.get(partition, {}).get(run.run_id)
        if waits is not None and run is not None and _names(waits, command, run.step, digest):
            return Ownership.OWN
        there_ms = first_appended_ms + TRANSACTION_MS
        if returned_ms is not None:
            there_ms = min(there_ms, returned_ms)
        read_to_ms = self._read_to_ms.get(partition, 0)
        return Ownership.FOREIGN if read_to_ms >= there_ms + CLOCKS_MS else Ownership.UNSEEN


def _waits_of(value: bytes) -> _Waits | None:
    try:
        run = read(_Run, value)
    except UnreadableRecordError:  # the router reports it
        return None
    if run.status == "succeeded" or not run.steps:
        return None
    step = run.steps[-1]
    connection = next((one.connection for one in run.definition or () if one.id == step.id), None)
    return _Waits(step.command_id, step.id, step.action, connection, step.digest)


def _names(waits: _Waits, command: Command, step: str, digest: str) -> bool:
    if (waits.command_id, waits.step, waits.action) != (command.command_id, step, command.action):
        return False
    if waits.digest is None:
        return waits.connection == command.connection
    return waits.digest == digest  # of action, connection, input and account
