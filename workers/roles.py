"""A role as a task sees it: where it reads, what it decides, and the calls that its decisions depend on.

There are two: the router decides at once, and the executor asks Stripe first. A role's answer to a record is the
decision, or a call that knows how it is carried out and what its answer means. So a role that makes no calls has
nothing to say about them. All of it is pure: `RoleCall.carry_out` returns what the task awaits.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Protocol, TypeVar

from msgspec import Struct

from stripeline.contracts.topics import Topics
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.stripe_answer import CallReply
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, StateChange, TaskState, Waits
from stripeline.workers.task.intake import Waiting
from stripeline.workers.task.waiting.waiting_room import MANY, WaitingRoom
from stripeline.workers.thin import thin_waits
from stripeline.workers.thin.thin_fetch import Fetch
from stripeline.workers.thin.thin_fetcher import ThinFetcher

S = TypeVar("S", bound=TaskState)
S_contra = TypeVar("S_contra", bound=TaskState, contravariant=True)

Send = Callable[[Call], Awaitable[CallReply]]
"""Sends one request to Stripe: `StripeApi.send`, or a test's."""


SendFetch = Callable[[Fetch], Awaitable[CallReply]]
"""Sends a request of a thin event to Stripe: `StripeApi.fetch`, or a test's."""


class RoleCall(Protocol[S_contra]):
    """A call that a decision depends on. The task waits `delay_ms`, gives it a call slot, and carries it out.

    continues: it follows from the call before it, and keeps that call's slot.
    """

    @property
    def delay_ms(self) -> int: ...
    @property
    def continues(self) -> bool: ...
    def carry_out(self) -> Awaitable[CallReply]: ...
    def settle(self, state: S_contra, reply: CallReply, now_ms: int) -> "Decision | RoleCall[S_contra]":
        """The decision after the answer, or the next call."""


class Role(Protocol[S]):
    """One role.

    inputs: topics, all with the same number of partitions.
    original: those of them without which there is no task. They stay for ever; the others may come and go.
    grows: those of them that make the state grow; they pause while it is full.
    stays: those of them whose records may wait where they are, in the task's waiting room.
    changelog: the topic that holds the state.
    dead_letters: the topic for what can't be read or done.
    concurrency: calls at a time of one process, all its tasks together.
    """

    name: str
    group: str
    inputs: tuple[str, ...]
    original: frozenset[str]
    grows: frozenset[str]
    stays: frozenset[str]
    changelog: str
    dead_letters: str
    concurrency: int

    def new_state(self) -> S: ...
    def lane(self, record: InputRecord) -> Hashable: ...
    def due_ms(self, record: InputRecord) -> int: ...
    def waits(self, state: S, record: InputRecord, now_ms: int) -> Waits | None:
        """What a record of a topic that `stays` waits for; None where it may be taken."""

    def turn(self, state: S, lane: Hashable) -> int | None:
        """The place that may run in the queue of a lane; None without a queue."""

    def lets(self, gate: Hashable, now_ms: int) -> int:
        """How many records a gate lets through: 0 none, 1 one, MANY all."""

    def take(
        self, state: S, record: InputRecord, now_ms: int, maybe_attempted: bool, *, crowded: bool = False
    ) -> Decision | RoleCall[S]:
        """The decision about a record, or a call.

        maybe_attempted: it was there before the task began.
        crowded: many records wait behind it in its lane.
        """

    def calls_cut_short(self, partition: int) -> None:
        """The task of a partition has ended, and its calls with it."""

    def broken(self, state: S, record: InputRecord, error: Exception) -> Decision:
        """The decision about a record for which `take` or `settle` raised an exception."""

    def expired(self, state: S, now_ms: int) -> Iterable[StateChange]: ...
    def committed(self, outputs: Iterable[OutputRecord]) -> None:
        """Kafka has committed these outputs: for those who watch."""


def waiting_of(role: Role[S], state: Callable[[], S], room: WaitingRoom) -> Waiting | None:
    """What may wait in a task's waiting room; None for a role whose records never do."""
    if not role.stays:
        return None
    return Waiting(
        topics=role.stays, waits=lambda record, now_ms: role.waits(state(), record, now_ms),
        turn=lambda lane: role.turn(state(), lane), lets=role.lets, room=room,
    )  # fmt: skip


class RouterRole(Role[Runs]):
    """Takes events, results and acts, and makes no calls."""

    def __init__(self, topics: Topics, router: Router) -> None:
        self.name, self.group = "router", topics.groups[0]
        self.inputs, self.grows = (*topics.events, topics.result, topics.act), frozenset(topics.events)
        self.original, self.stays = frozenset({topics.result}), frozenset[str]()
        self.changelog, self.concurrency = topics.run, 1
        self._router, self.dead_letters = router, topics.dead_letter

    def new_state(self) -> Runs:
        return Runs()

    def lane(self, record: InputRecord) -> Hashable:
        return self._router.lane(record)

    def due_ms(self, record: InputRecord) -> int:  # noqa: ARG002
        return 0

    def waits(self, state: Runs, record: InputRecord, now_ms: int) -> None: ...

    def turn(self, state: Runs, lane: Hashable) -> None: ...

    def lets(self, gate: Hashable, now_ms: int) -> int:  # noqa: ARG002
        return MANY

    def take(self, state: Runs, record: InputRecord, now_ms: int, maybe_attempted: bool, **_: bool) -> Decision:  # noqa: ARG002
        return self._router.take(state, record, now_ms)

    def calls_cut_short(self, partition: int) -> None: ...

    def broken(self, state: Runs, record: InputRecord, error: Exception) -> Decision:  # noqa: ARG002
        return dead_letters.broken(self.dead_letters, record, error)

    def expired(self, state: Runs, now_ms: int) -> Iterable[StateChange]:
        return state.expired(now_ms)

    def committed(self, outputs: Iterable[OutputRecord]) -> None: ...


class ThinPart(Struct, frozen=True):
    """What takes an executor's thin events."""

    fetcher: ThinFetcher
    send: SendFetch

    def whole(self, decided: Decision | Fetch) -> Decision | RoleCall[Ledger]:
        return FetchCall(self, decided) if isinstance(decided, Fetch) else decided


class ExecutorRole(Role[Ledger]):
    """Takes commands and thin events, and asks Stripe by `send` and `thin.send`.

    former: topics of tiers that were taken away, in which commands may still wait.
    thin: what takes thin events; None where none are taken. Their topic becomes an input when it is read: a consumer
        that asks for a missing one makes some brokers create it.
    """

    def __init__(
        self, topics: Topics, executor: Executor, send: Send, concurrency: int, former: Iterable[str] = (),
        thin: ThinPart | None = None,
    ) -> None:  # fmt: skip
        self.name, self.group = "executor", topics.groups[1]
        added = () if thin is None else (topics.thin_event,)
        self.inputs = (topics.command, *topics.retries, *former)
        self.original = frozenset({topics.command})
        self.grows, self.stays = frozenset({topics.command, *added}), frozenset((*topics.retries, *former))
        self.changelog, self.concurrency = topics.ledger, concurrency
        self._executor, self.send, self.dead_letters = executor, send, topics.dead_letter
        self._thin = thin

    def new_state(self) -> Ledger:
        return Ledger()

    def lane(self, record: InputRecord) -> Hashable:
        thin = self._thin_of(record)
        return self._executor.lane(record) if thin is None else thin.fetcher.lane(record)

    def due_ms(self, record: InputRecord) -> int:
        return self._executor.due_ms(record)

    def waits(self, state: Ledger, record: InputRecord, now_ms: int) -> Waits | None:
        thin = self._thin_of(record)
        if thin is None:
            return self._executor.waits(state, record, now_ms)
        return thin_waits.waits(thin.fetcher.setup, record, self.due_ms(record), now_ms)

    def turn(self, state: Ledger, lane: Hashable) -> int | None:
        queue = state.queue(lane.decode("latin-1")) if isinstance(lane, bytes) else None
        return None if queue is None else queue.head

    def lets(self, gate: Hashable, now_ms: int) -> int:
        return self._executor.lets(gate, now_ms)

    def take(
        self, state: Ledger, record: InputRecord, now_ms: int, maybe_attempted: bool, *, crowded: bool = False
    ) -> Decision | RoleCall[Ledger]:
        thin = self._thin_of(record)
        if thin is not None:
            return thin.whole(thin.fetcher.take(state, record, now_ms))
        decided = self._executor.take(state, record, now_ms, maybe_attempted, crowded)
        return StripeCall(self, decided) if isinstance(decided, Call) else decided

    def _thin_of(self, record: InputRecord) -> "ThinPart | None":
        """What takes a record that is a thin event; None for any other."""
        return self._thin if self._thin is not None and self._thin.fetcher.takes(record) else None

    def answered(self, state: Ledger, call: Call, reply: CallReply, now_ms: int) -> Decision | RoleCall[Ledger]:
        decided = self._executor.answered(state, call, reply, now_ms)
        return StripeCall(self, decided) if isinstance(decided, Call) else decided

    def calls_cut_short(self, partition: int) -> None:
        self._executor.gate.shares.calls_cut_short(partition)

    def broken(self, state: Ledger, record: InputRecord, error: Exception) -> Decision:
        thin = self._thin_of(record)
        return (self._executor if thin is None else thin.fetcher).broken(state, record, error)

    def expired(self, state: Ledger, now_ms: int) -> Iterable[StateChange]:
        return state.expired(now_ms)

    def committed(self, outputs: Iterable[OutputRecord]) -> None: ...


class StripeCall(Struct, frozen=True):
    """The executor's call."""

    role: ExecutorRole
    call: Call

    @property
    def delay_ms(self) -> int:
        return self.call.permit.delay_ms

    @property
    def continues(self) -> bool:
        return self.call.look_up is not None and self.call.look_up.pages > 0

    def carry_out(self) -> Awaitable[CallReply]:
        return self.role.send(self.call)

    def settle(self, state: Ledger, reply: CallReply, now_ms: int) -> Decision | RoleCall[Ledger]:
        return self.role.answered(state, self.call, reply, now_ms)


class FetchCall(Struct, frozen=True):
    """The call of a thin event."""

    part: ThinPart
    fetch: Fetch

    @property
    def delay_ms(self) -> int:
        return self.fetch.permit.delay_ms

    @property
    def continues(self) -> bool:
        return False  # it has a turn of its own, and may have to wait for it

    def carry_out(self) -> Awaitable[CallReply]:
        return self.part.send(self.fetch)

    def settle(self, state: Ledger, reply: CallReply, now_ms: int) -> Decision | RoleCall[Ledger]:
        return self.part.whole(self.part.fetcher.answered(state, self.fetch, reply, now_ms))
