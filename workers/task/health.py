"""Decides whether a worker makes progress, and if not: wait, reopen its consumer, or give up. Pure.

A snapshot of the worker is taken once a second. What should move and does not is a suspicion. It is compared with what
Kafka says, and acted on only when two answers confirm it. So none of these is a stall: Kafka unreachable (the worker
heals itself once it is back), more members than partitions, commands that wait in a tier or for a refused key, an idle
topic, a long restore, a process that was suspended and goes on.

    moves ──► well ◄── moves again ── suspected ── two answers confirm ──► reopen ── three times ──► give up
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class StallLimits:
    """How long what should move may be stuck, in seconds.

    silent_s: its consumer has no answer of Kafka's, which answers others: its addresses may be old. aiokafka goes on
        asking them. Together with `apart_s` it is replaced after 30 s.
    poll_s: the loop that reads from Kafka.
    join_s: joining the group; a rebalance waits for the slowest member's drain.
    assign_s: without any partition.
    progress_s: records that were taken, none of which is finished; or partitions of which nothing was read.
    call_s: one call; above all its own deadlines.
    late_s: a snapshot that is later than this means that the whole process was suspended: nothing is suspected.
    apart_s: between two answers of Kafka that confirm a suspicion.
    forgive_s: after this time without a stall the tries start from zero.
    """

    silent_s: float = 18.0
    poll_s: float = 30.0
    join_s: float = 90.0
    assign_s: float = 60.0
    progress_s: float = 180.0
    call_s: float = 240.0
    late_s: float = 5.0
    apart_s: float = 10.0
    tries: int = 3
    forgive_s: float = 1_200.0


class Stall(Enum):
    """What does not move."""

    SILENT = "Kafka answers others, and not its consumer"
    POLL = "its loop does not read from Kafka any more"
    JOIN = "it does not get into its group"
    ASSIGNMENT = "it has no partition, though its group has fewer members than partitions"
    CALL = "a call does not end"
    PROGRESS = "nothing of what it has taken is finished"
    READING = "records are there and it does not get them"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """One open task. `mark` changes with every record that is taken or finished.

    holds: it has records that are not finished.
    idle: it has room, and nothing was read that it could take.
    oldest_call_s: how long its oldest call has been under way.
    reads: the next offset of each input partition.
    """

    mark: Hashable
    holds: bool
    idle: bool
    oldest_call_s: float
    reads: Mapping[Hashable, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSnapshot:
    """A worker at one moment. `tasks` counts those that are being opened, too.

    silent_s: since Kafka last answered its consumer.
    """

    silent_s: float
    polls: int
    joined: bool
    tasks: int
    working: Mapping[int, TaskSnapshot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What may be stuck, of which partition number, and for how long."""

    stall: Stall
    number: int | None
    for_s: float

    @property
    def words(self) -> str:
        where = "" if self.number is None else f"partition {self.number}: "
        return f"{where}{self.stall.value}, for {self.for_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """What Kafka says.

    members: of the group; None while it is being rebalanced, or without the topic by which its tasks are shared out.
    ends: where the input partitions end.
    """

    members: int | None
    ends: Mapping[Hashable, int]


class Remedy(Enum):
    NONE = auto()  # Kafka does not say so, or says nothing
    CONFIRM = auto()  # it is so; another answer must confirm it
    REOPEN = auto()
    GIVE_UP = auto()


@dataclass(slots=True)
class Watch:
    """The watch over one worker of a group with so many partitions."""

    partitions: int
    limits: StallLimits = field(default_factory=StallLimits)
    _since_s: dict[Hashable, tuple[Hashable, float]] = field(default_factory=dict)
    _confirmed: tuple[Stall, int | None] | None = None
    _confirmed_s: float = 0.0
    _tries: int = 0
    _tried_s: float = 0.0

    def look(self, now_s: float, snapshot: WorkerSnapshot, late_s: float = 0.0) -> Suspicion | None:
        """What has not moved for too long, the most serious first. `late_s`: how late the snapshot was taken."""
        if late_s > self.limits.late_s:
            self._since_s.clear()
        found = [*self._member(now_s, snapshot), *self._tasks(now_s, snapshot)]
        first = next((suspicion for suspicion in found if suspicion is not None), None)
        if first is None or (first.stall, first.number) != self._confirmed:
            self._confirmed = None
        return first

    def judge(self, now_s: float, suspicion: Suspicion, snapshot: WorkerSnapshot, facts: GroupFacts | None) -> Remedy:
        """What to do about a suspicion; `facts` is None where Kafka does not answer."""
        if facts is None or not self._is_so(suspicion, snapshot, facts):
            self._confirmed = None
            self._forget_idle(now_s, snapshot, facts)
            return Remedy.NONE
        if self._confirmed is None:
            self._confirmed, self._confirmed_s = (suspicion.stall, suspicion.number), now_s
            return Remedy.CONFIRM
        if now_s - self._confirmed_s < self.limits.apart_s:
            return Remedy.CONFIRM
        return self._try(now_s)

    def _try(self, now_s: float) -> Remedy:
        if now_s - self._tried_s > self.limits.forgive_s:
            self._tries = 0
        if self._tries >= self.limits.tries:
            return Remedy.GIVE_UP
        self._tries, self._tried_s, self._confirmed = self._tries + 1, now_s, None
        self._since_s.clear()
        return Remedy.REOPEN

    def _is_so(self, suspicion: Suspicion, snapshot: WorkerSnapshot, facts: GroupFacts) -> bool:
        match suspicion.stall:
            case Stall.ASSIGNMENT:
                return facts.members is not None and facts.members <= self.partitions
            case Stall.READING:
                return any(
                    _behind(work, facts) for number, work in snapshot.working.items() if number == suspicion.number
                )
            case _:
                return True

    def _forget_idle(self, now_s: float, snapshot: WorkerSnapshot, facts: GroupFacts | None) -> None:
        """A partition without anything to read is not asked about again soon."""
        for number, work in snapshot.working.items():
            if facts is not None and not _behind(work, facts):
                self._since_s[Stall.READING, number] = (work.mark, now_s)

    def _member(self, now_s: float, snapshot: WorkerSnapshot) -> list[Suspicion | None]:
        limits, idle = self.limits, snapshot.joined and not snapshot.tasks
        silent = snapshot.silent_s > limits.silent_s
        return [
            Suspicion(stall=Stall.SILENT, number=None, for_s=snapshot.silent_s) if silent else None,
            self._still(now_s, Stall.POLL, None, snapshot.polls, limits.poll_s),
            self._still(now_s, Stall.JOIN, None, None if snapshot.joined else 1, limits.join_s),
            self._still(now_s, Stall.ASSIGNMENT, None, 1 if idle else None, limits.assign_s),
        ]

    def _tasks(self, now_s: float, snapshot: WorkerSnapshot) -> list[Suspicion | None]:
        limits, found = self.limits, list[Suspicion | None]()
        for number, work in snapshot.working.items():
            if work.oldest_call_s > limits.call_s:
                found.append(Suspicion(stall=Stall.CALL, number=number, for_s=work.oldest_call_s))
            held, idle = work.mark if work.holds else None, work.mark if work.idle else None
            found.append(self._still(now_s, Stall.PROGRESS, number, held, limits.progress_s))
            found.append(self._still(now_s, Stall.READING, number, idle, limits.progress_s))
        return found

    def _still(
        self, now_s: float, stall: Stall, number: int | None, value: Hashable, limit_s: float
    ) -> Suspicion | None:
        """A suspicion when a value has not changed for too long; None is nothing to watch."""
        place = (stall, number)
        if value is None:
            self._since_s.pop(place, None)
            return None
        before, since_s = self._since_s.get(place, (None, now_s))
        if before != value:
            self._since_s[place] = (value, now_s)
            return None
        return Suspicion(stall=stall, number=number, for_s=now_s - since_s) if now_s - since_s > limit_s else None


def _behind(work: TaskSnapshot, facts: GroupFacts) -> bool:
    return any(facts.ends.get(place, 0) > offset for place, offset in work.reads.items())
