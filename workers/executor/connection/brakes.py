"""The brake of a connection: how many effects, and how much money, its commands may begin in an hour. Pure.

Counted is the first attempt of a POST, whatever comes of it: a declined payment counts, since a runaway of declined
payments is one too, and since Stripe may have done what it said it had not. A retry of the command has the same
Idempotency-Key, and is the same effect. A look-up is none. A call that never was sent, or whose key Stripe refused, is
not counted.

At the limit the command waits as those of a paused connection do, and the pause is published for everybody. The count
is the sum of this process's tasks, exact, and of the others', as old as their last report.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from stripeline.contracts.limits import HourlyLimits
from stripeline.workers.brakes.brake_status import BrakeStatus
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.brakes.rolling_hour import Cost, Total, total
from stripeline.workers.executor.connection.key_breaker import PAUSE_MIN_MS
from stripeline.workers.executor.connection.rate_gate import Hold
from stripeline.workers.executor.ledger import Ledger

NOTICE_EVERY_MS: Final = 10_000
"""A pause that does not show on the control topic in this time is published again."""
_UNKNOWN: Final = "waits until this process knows what the others have spent of its connection's limit"


class Braked(Struct, frozen=True, kw_only=True):
    """No call now. why: of the pause that all are told of; None where there is none to tell."""

    hold: Hold
    why: str | None = None


@dataclass(slots=True, kw_only=True)
class Brakes:
    """The brakes of one process.

    limits: of a connection; None where it has none.
    released: when a person last resumed a connection; 0 where nobody has.
    ledgers: those of this process's tasks, by partition number.
    peers: what the tasks of other processes have begun; None where there are no others.
    """

    limits: Callable[[str], HourlyLimits | None] = lambda _: None
    released: Callable[[str], int] = lambda _: 0
    ledgers: Callable[[], Mapping[int, Ledger]] = dict
    peers: Peers | None = None
    partitions: int = 0
    trips: dict[str, int] = field(default_factory=dict)
    _noticed_ms: dict[str, int] = field(default_factory=dict)

    def ask(
        self, connection: str, command_id: str, cost: Cost, ledger: Ledger, partition: int, now_ms: int
    ) -> Braked | None:
        """Whether a command's first attempt is too much. None, and it is counted, when it is not."""
        limits = self.limits(connection)
        if limits is None:
            return None
        tasks = {**self.ledgers(), partition: ledger}
        if self.peers is not None and not self.peers.fresh("connection", self.partitions, tasks, now_ms):
            return Braked(hold=Hold(wait_ms=PAUSE_MIN_MS, why=_UNKNOWN))
        spent = self._spent(connection, tasks, now_ms, but=command_id)
        why = too_much(connection, command_id, limits, spent, cost)
        if why is None:
            ledger.reserve(command_id, connection, cost, now_ms)
            return None
        hold = Hold(wait_ms=PAUSE_MIN_MS, why="waits for its connection to be resumed: it is at its limit")
        return Braked(hold=hold, why=why if self._is_news(connection, now_ms) else None)

    def status(self, connections: Iterable[str], now_ms: int) -> Iterator[BrakeStatus]:
        """The limits of these connections, and how much of them is used."""
        tasks = self.ledgers()
        for name in connections:
            limits = self.limits(name)
            if limits is None:
                continue
            spent, trips = self._spent(name, tasks, now_ms), self.trips.get(name, 0)
            wanted = {"effects": (spent.count, limits.effects_per_hour)} if limits.effects_per_hour else {}
            wanted |= {currency: (spent.amount.get(currency, 0), most) for currency, most in _amounts(limits)}
            for what, (used, most) in wanted.items():
                yield BrakeStatus(
                    kind="connection", name=name, what=what, spent=used, limit=most or 0, trips=trips
                )  # fmt: skip

    def _spent(self, connection: str, tasks: Mapping[int, Ledger], now_ms: int, but: str | None = None) -> Total:
        released_ms = self.released(connection)
        spendings = [ledger.spending(connection) for ledger in tasks.values()]
        if self.peers is not None:
            spendings += self.peers.elsewhere("connection", connection, tasks)
        found = total(spendings, now_ms, released_ms)
        for ledger in tasks.values():
            for command_id, begun in ledger.reserved.items():
                if begun.connection == connection and command_id != but and begun.at_ms >= released_ms:
                    found.add(begun.cost)
        return found

    def _is_news(self, connection: str, now_ms: int) -> bool:
        before_ms = self._noticed_ms.get(connection)
        if before_ms is not None and now_ms - before_ms < NOTICE_EVERY_MS and before_ms >= self.released(connection):
            return False
        self._noticed_ms[connection] = now_ms
        self.trips[connection] = self.trips.get(connection, 0) + 1
        return True


def too_much(connection: str, command_id: str, limits: HourlyLimits, spent: Total, cost: Cost) -> str | None:
    """Why one more command is beyond a connection's limits, and what a person can do. None when it is within them."""
    most = limits.effects_per_hour
    if most is not None and spent.count + 1 > most:
        return f"{most} effects an hour: the limit of connection {connection}; {_resume(connection)}"
    wanted = None if limits.amount is None else limits.amount.get(cost.currency)
    if wanted is None or cost.amount <= 0:
        return None
    unit = f"{cost.currency} an hour, in its smallest unit"
    if cost.amount > wanted:
        return (
            f"command {command_id} asks for {cost.amount} {cost.currency}, more than the whole limit of connection"
            f" {connection}: {wanted} {unit}. Raise limits.amount.{cost.currency} with `stripeline apply`, or cancel"
            " its run; then resume"
        )
    if spent.amount.get(cost.currency, 0) + cost.amount > wanted:
        return f"{wanted} {unit}: the limit of connection {connection}; {_resume(connection)}"
    return None


def _amounts(limits: HourlyLimits) -> Iterable[tuple[str, int]]:
    return () if limits.amount is None else limits.amount.items()


def _resume(connection: str) -> str:
    return f"when that is right, `stripeline resume connection {connection}` lets as much pass again"
