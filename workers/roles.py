"""A role as a task sees it: where it reads, what it decides, and how it carries a call out.

Everything but `carry_out` is pure; a task calls `take` for each record, `settle` after each call, and `broken` when one
of the two raises.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stripeline.contracts.topics import Topics
from stripeline.workers.executor.before_call import Executor
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.outcome_records import broken
from stripeline.workers.executor.stripe_lookup import Sight
from stripeline.workers.router.router import Router
from stripeline.workers.router.runs import Runs
from stripeline.workers.task.decision import Decision, InputRecord, Output, State, StateChange

S = TypeVar("S", bound=State)

CarryOut = Callable[[Call], Awaitable[Sight]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[S]):
    """One role.

    inputs: topics, all with the same number of partitions.
    grows: those of them that make the state grow; they pause while it is full.
    changelog: the topic that holds the state.
    concurrency: calls at a time of one process, all its tasks together.
    committed: told the outputs of a transaction when Kafka has it.
    """

    name: str
    group: str
    inputs: tuple[str, ...]
    grows: frozenset[str]
    changelog: str
    concurrency: int
    new_state: Callable[[], S]
    lane: Callable[[InputRecord], Hashable]
    due_ms: Callable[[InputRecord], int]
    take: Callable[[S, InputRecord, int, bool], Decision | Call]
    settle: Callable[[S, Call, Sight, int], Decision | Call]
    broken: Callable[[S, InputRecord, Exception], Decision]
    carry_out: CarryOut
    expired: Callable[[S, int], Iterable[StateChange]]
    committed: Callable[[Iterable[Output]], None] = lambda _: None


def router_job(topics: Topics, router: Router) -> Job[Runs]:
    return Job(
        name="router",
        group=f"{topics.prefix}router",
        inputs=(*topics.events, topics.result),
        grows=frozenset(topics.events),
        changelog=topics.run,
        concurrency=1,
        new_state=Runs,
        lane=router.lane,
        due_ms=router.due_ms,
        take=router.take,
        settle=_no_settling,
        broken=lambda _, record, error: broken(topics.dead_letter, record, error),
        carry_out=_no_call,
        expired=Runs.expired,
    )


def executor_job(topics: Topics, executor: Executor, carry_out: CarryOut, concurrency: int) -> Job[Ledger]:
    return Job(
        name="executor",
        group=f"{topics.prefix}executor",
        inputs=(topics.command, *topics.retries),
        grows=frozenset({topics.command}),
        changelog=topics.ledger,
        concurrency=concurrency,
        new_state=Ledger,
        lane=executor.lane,
        due_ms=executor.due_ms,
        take=executor.take,
        settle=executor.settle,
        broken=executor.broken,
        carry_out=carry_out,
        expired=Ledger.expired,
    )


def _no_settling(state: Runs, call: Call, outcome: Sight, now_ms: int) -> Decision:  # noqa: ARG001
    raise AssertionError("the router makes no call")


async def _no_call(call: Call) -> Sight:  # noqa: ARG001
    raise AssertionError("the router makes no call")
