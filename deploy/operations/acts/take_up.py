"""Resumes a workflow and starts the runs of what came while it was paused, in the order of each key.

    paused ─► send what came, as acts ─► wait until the routers took them ─► anything new? ─► again, MAX_ROUNDS at most
                                                                               └─ nothing ─► resume
    resume ─► wait until every router has applied it ─► send what came in between, once more

The acts are in the partition of their event and in its order, and the router takes an event of a paused workflow
without starting it. So whatever came before the resume starts in the order of its key. What came between the last look
and the moment when a router applied the resume is found by the last step; a run that is known is not started twice. How
many events that were is in the outcome: only they can be behind a later event of their key.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import run_starts
from stripeline.deploy.operations.acts.audit import Signed, commit_acts
from stripeline.deploy.operations.acts.run_starts import StartPlan
from stripeline.deploy.operations.reading.event_ranges import EventRange, ends_of, events_in
from stripeline.deploy.operations.reading.group_progress import unfinished
from stripeline.deploy.operations.status.workers import Workers, read_workers

MAX_ROUNDS: Final = 20
_TAKEN_S: Final = 300.0
_APPLIED_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """What a look at the events did: how many there were, and how many runs were asked for."""

    events: int = 0
    started: int = 0

    def __add__(self, other: "TakenUp") -> "TakenUp":
        return TakenUp(events=self.events + other.events, started=self.started + other.started)


@dataclass(slots=True, kw_only=True)
class TakeUp:
    """The take-up of one workflow.

    known: the runs that are there, and those that were asked for.
    """

    topics: Topics
    client: Mapping[str, Any]
    plan: StartPlan
    topic: str
    signed: Signed
    rate_per_s: float
    known: set[str]

    async def send(self, range_: EventRange, now_ms: int) -> TakenUp:
        """Ask for the runs of the events in a range, in their order. Raises KafkaError, TimeoutError."""
        done = TakenUp()
        async with contextlib.aclosing(events_in(range_, self.client)) as chunks:
            async for reads in chunks:
                found = [one for one in run_starts.candidates(self.plan, reads, self.known, now_ms) if one.starts]
                if found:
                    acts = run_starts.acts(self.topics, self.plan, found, self.signed)
                    await commit_acts(self.topics, self.client, acts, rate_per_s=self.rate_per_s)
                    self.known |= {one.run for one in found}
                done += TakenUp(events=len(reads), started=len(found))
        return done

    async def before_resume(self, range_: EventRange, now_ms: int) -> tuple[TakenUp, EventRange]:
        """Send a range and what came meanwhile, until nothing came. Returns what was done, and the last range."""
        done = await self.send(range_, now_ms)
        for _ in range(MAX_ROUNDS):
            await self.taken()
            range_ = range_.up_to(await ends_of(self.topic, self.client))
            if not range_.events:
                return done, range_
            done += await self.send(range_, now_ms)
        return done, range_  # so busy that something always comes: the last step after the resume finds the rest

    async def after_resume(self, range_: EventRange, resumed_at: int, now_ms: int) -> TakenUp:
        """What came until every router had applied the resume. resumed_at: where the control topic ends with it."""
        await self.applied(resumed_at)
        return await self.send(range_.up_to(await ends_of(self.topic, self.client)), now_ms)

    async def taken(self) -> None:
        """Wait until the routers have taken every act that is on the topic now. Raises FailureError after a while."""
        ends = await ends_of(self.topics.act, self.client)
        try:
            async with asyncio.timeout(_TAKEN_S):
                while await unfinished(self.topics.groups[0], ends, self.client):  # noqa: ASYNC110  (Kafka sends no notice)
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            raise FailureError(
                f"No router has taken the acts within {_TAKEN_S:.0f} s, so {self.plan.name} is still paused. Start a"
                " router, then run the same command again: what was started is not started twice."
            ) from None

    async def applied(self, offset: int) -> None:
        """Wait until every router that is alive has read the control topic up to an offset. Raises FailureError."""
        waiting: list[str] = []
        try:
            async with asyncio.timeout(_APPLIED_S):
                while waiting := late(await read_workers(self.topics, self.client), offset):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            raise FailureError(
                f"{self.plan.name} is resumed, but {', '.join(waiting)} has not applied it within {_APPLIED_S:.0f} s."
                f" Once it has, run `stripeline runs start {self.plan.name} --since 15m` for what came meanwhile."
            ) from None


def late(workers: Workers, offset: int) -> list[str]:
    """The routers that have not applied the control topic up to an offset."""
    routers = [one for one in workers.live if one.does("router")]
    return sorted(one.name for one in routers if (one.report.control or 0) < offset)
