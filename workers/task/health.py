"""Judges whether a worker still gets on: when to say that it does not, to open its consumer anew, or to give up. Pure.

What a worker shows is looked at once a second. What should move and does not is a suspicion; it is held against what
Kafka says, and only what two answers confirm is acted on. So these are no trouble: Kafka away (the worker's own healing
waits for it), a member more than there are partitions, commands that wait in a tier or for a key that was refused,
an idle topic, a long restore, a loop that stood still and goes on.

    moves ──► well ◄── moves again ── suspected ── Kafka answers, twice ──► consumer anew ── thrice in vain ──► give up
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long what should move may stand still, in seconds.

    poll_s: the loop that reads from Kafka.
    join_s: the way into the group; a rebalance waits for the slowest member's drain.
    assign_s: without any partition.
    progress_s: records that were taken, none of which is finished; or partitions of which nothing was read.
    call_s: one call; above all its own deadlines.
    late_s: a look that comes later than this says that the whole process stood still, and nothing else is to blame.
    apart_s: between two answers of Kafka that confirm a suspicion.
    forgive_s: after this time without trouble the tries count anew.
    """

    poll_s: float = 30.0
    join_s: float = 90.0
    assign_s: float = 60.0
    progress_s: float = 180.0
    call_s: float = 240.0
    late_s: float = 5.0
    apart_s: float = 10.0
    tries: int = 3
    forgive_s: float = 1_200.0


class Lost(Enum):
    """What does not move."""

    POLL = "its loop does not read from Kafka any more"
    JOIN = "it does not get into its group"
    ASSIGNMENT = "it has no partition, though its group has fewer members than partitions"
    CALL = "a call does not end"
    PROGRESS = "nothing of what it has taken is finished"
    READING = "records are there and it does not get them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
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
class Sight:
    """A worker, looked at once. `tasks` counts those that are being opened, too."""

    turns: int
    joined: bool
    tasks: int
    working: Mapping[int, Working]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What may be lost, of which partition number, and how long it has not moved."""

    lost: Lost
    number: int | None
    for_s: float

    @property
    def words(self) -> str:
        where = "" if self.number is None else f"partition {self.number}: "
        return f"{where}{self.lost.value}, for {self.for_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What Kafka says: the group's members, None while it is being rebalanced; and where the input partitions end."""

    members: int | None
    ends: Mapping[Hashable, int]


class Verdict(Enum):
    UNSURE = auto()  # Kafka does not say so, or says nothing
    WAIT = auto()  # it is so; another answer must confirm it
    ANEW = auto()
    GIVE_UP = auto()


@dataclass(slots=True)
class Watch:
    """The watch over one worker of a group with so many partitions."""

    partitions: int
    limits: Limits = field(default_factory=Limits)
    _since_s: dict[Hashable, tuple[Hashable, float]] = field(default_factory=dict)
    _confirmed: tuple[Lost, int | None] | None = None
    _confirmed_s: float = 0.0
    _tries: int = 0
    _tried_s: float = 0.0

    def look(self, now_s: float, sight: Sight, late_s: float = 0.0) -> Suspicion | None:
        """What has not moved for too long, the gravest first. `late_s`: how much too late this look comes."""
        if late_s > self.limits.late_s:
            self._since_s.clear()
        found = [*self._member(now_s, sight), *self._tasks(now_s, sight)]
        first = next((suspicion for suspicion in found if suspicion is not None), None)
        if first is None or (first.lost, first.number) != self._confirmed:
            self._confirmed = None
        return first

    def judge(self, now_s: float, suspicion: Suspicion, sight: Sight, facts: Facts | None) -> Verdict:
        """What to do about a suspicion; `facts` is None where Kafka does not answer."""
        if facts is None or not self._is_so(suspicion, sight, facts):
            self._confirmed = None
            self._forget_idle(now_s, sight, facts)
            return Verdict.UNSURE
        if self._confirmed is None:
            self._confirmed, self._confirmed_s = (suspicion.lost, suspicion.number), now_s
            return Verdict.WAIT
        if now_s - self._confirmed_s < self.limits.apart_s:
            return Verdict.WAIT
        return self._try(now_s)

    def _try(self, now_s: float) -> Verdict:
        if now_s - self._tried_s > self.limits.forgive_s:
            self._tries = 0
        if self._tries >= self.limits.tries:
            return Verdict.GIVE_UP
        self._tries, self._tried_s, self._confirmed = self._tries + 1, now_s, None
        self._since_s.clear()
        return Verdict.ANEW

    def _is_so(self, suspicion: Suspicion, sight: Sight, facts: Facts) -> bool:
        match suspicion.lost:
            case Lost.ASSIGNMENT:
                return facts.members is not None and facts.members <= self.partitions
            case Lost.READING:
                return any(_behind(work, facts) for number, work in sight.working.items() if number == suspicion.number)
            case _:
                return True

    def _forget_idle(self, now_s: float, sight: Sight, facts: Facts | None) -> None:
        """Where there is nothing to read, it is no use to ask again soon."""
        for number, work in sight.working.items():
            if facts is not None and not _behind(work, facts):
                self._since_s[Lost.READING, number] = (work.mark, now_s)

    def _member(self, now_s: float, sight: Sight) -> list[Suspicion | None]:
        limits, idle = self.limits, sight.joined and not sight.tasks
        return [
            self._still(now_s, Lost.POLL, None, sight.turns, limits.poll_s),
            self._still(now_s, Lost.JOIN, None, None if sight.joined else 1, limits.join_s),
            self._still(now_s, Lost.ASSIGNMENT, None, 1 if idle else None, limits.assign_s),
        ]

    def _tasks(self, now_s: float, sight: Sight) -> list[Suspicion | None]:
        limits, found = self.limits, list[Suspicion | None]()
        for number, work in sight.working.items():
            if work.oldest_call_s > limits.call_s:
                found.append(Suspicion(lost=Lost.CALL, number=number, for_s=work.oldest_call_s))
            held, idle = work.mark if work.holds else None, work.mark if work.idle else None
            found.append(self._still(now_s, Lost.PROGRESS, number, held, limits.progress_s))
            found.append(self._still(now_s, Lost.READING, number, idle, limits.progress_s))
        return found

    def _still(self, now_s: float, lost: Lost, number: int | None, value: Hashable, limit_s: float) -> Suspicion | None:
        """A suspicion when a value has not changed for too long; None is nothing to watch."""
        place = (lost, number)
        if value is None:
            self._since_s.pop(place, None)
            return None
        before, since_s = self._since_s.get(place, (None, now_s))
        if before != value:
            self._since_s[place] = (value, now_s)
            return None
        return Suspicion(lost=lost, number=number, for_s=now_s - since_s) if now_s - since_s > limit_s else None


def _behind(work: Working, facts: Facts) -> bool:
    return any(facts.ends.get(place, 0) > offset for place, offset in work.reads.items())
