"""Looks for events that never came as a person asks, says how far it is, and publishes them where somebody signs.

Many connections beside one another, like the executor's sweeps; one that can't be compared ends no other.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.deploy.runtime.connection_keys import STRIPES_OWN, connection_limits
from stripeline.deploy.runtime.process.side_by_side import side_by_side
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.runtime.worker_setup import required_vault
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.stripe_side.sweeps import sweep_windows as windows
from stripeline.deploy.stripe_side.sweeps.backfill_producer import BackfillProducer
from stripeline.deploy.stripe_side.sweeps.enrolment import since_of
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed
from stripeline.deploy.stripe_side.sweeps.list_answer import SweepError
from stripeline.deploy.stripe_side.sweeps.note_readings import note_readings
from stripeline.deploy.stripe_side.sweeps.plan_sweep import PlanSweep
from stripeline.deploy.stripe_side.sweeps.seen_log import seen_log
from stripeline.deploy.stripe_side.sweeps.slice_room import SliceRoom
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, SweptTrigger, plans
from stripeline.deploy.stripe_side.sweeps.window_sweep import MAX_BYTES, MAX_OF_A_SECOND, SliceFound
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.secrets.vault import VaultError, connection_secret

_AT_A_TIME: Final = 32
_SAY_EVERY_S: Final = 2.0
_NAMED: Final = 3
Say = Callable[[str], None]
Publish = Callable[[Sequence[Missed]], Awaitable[None]]
SweepOf = Callable[[SweepPlan], PlanSweep]


class MissedRange(NamedTuple):
    """Seconds of `created`, both inclusive."""

    first_s: int
    last_s: int


def missed_range(since_ms: int | None, until_ms: int | None, now_ms: int) -> MissedRange:
    """Raises FailureError for a time that Stripe does not list any more, and for one that ends before it begins."""
    now_s, first_s = now_ms // 1000, (since_ms or 0) // 1000
    settled_s = now_s - windows.SETTLED_S
    last_s = settled_s if until_ms is None else min(until_ms // 1000, now_s)
    if first_s < (oldest_s := windows.oldest_s(now_s)):
        raise FailureError(
            f"Stripe lists the events of the last 30 days: what was created before {rfc3339(oldest_s * 1000)} can't be"
            " compared any more. Give a later --since."
        )
    if first_s > last_s:
        raise FailureError(
            "There is nothing between --since and --until: what is younger than 15 minutes may yet come."
        )
    return MissedRange(first_s, last_s)


@dataclass(slots=True)
class MissedFound:
    """What is missing, and how far the search is.

    rows: the first of it, as it is shown. count: all of it. listed: events that were compared.
    done: connections that were compared to their end. failed: why others were not.
    """

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    count: int = 0
    listed: int = 0
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def require_all(self) -> None:
        """Raises FailureError where a connection could not be compared to its end."""
        if not self.failed:
            return
        named = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in sorted(self.failed.items())[:_NAMED])
        more = len(self.failed) - _NAMED
        others = f"; and {more:,} more connections" if more > 0 else ""
        raise FailureError(
            f"Stripe's list could not be compared to its end. {named}{others}. Once the cause is gone, run the command"
            " again: what was published by then is not missing any more."
        )


@dataclass(frozen=True, slots=True)
class MissedSearch:
    """connection: only of this one. limit: how many rows are kept."""

    settings: Settings
    client: Mapping[str, Any]
    wanted: MissedRange
    connection: str | None
    limit: int

    async def all(self, say: Say, act: Signed | None) -> MissedFound:
        """Raises FailureError, VaultError, ControlError, KafkaError, TimeoutError."""
        found, stored = MissedFound(), await read_all(self.settings.topics.control, self.client)
        asked = self._plans(stored)
        self._warn(stored, asked, say)
        async with AsyncExitStack() as stack:
            publish = None if act is None else await stack.enter_async_context(self._publishing(act))
            sweep_of = await stack.enter_async_context(self._sweeps(stored))
            saying = asyncio.create_task(_say_how_far(found, len(asked), say))
            stack.callback(saying.cancel)
            waiting = iter(asked)
            await side_by_side(*(self._compare(waiting, sweep_of, found, publish) for _ in range(_AT_A_TIME)))
        found.rows.sort(key=itemgetter("created", "event"))
        return found

    async def _compare(
        self, waiting: Iterator[SweepPlan], sweep_of: SweepOf, found: MissedFound, publish: Publish | None
    ) -> None:
        """One after the other of those that still wait. Others take from them too."""
        for plan in waiting:
            try:
                async with aclosing(sweep_of(plan).slices(*self.wanted)) as slices:
                    async for one in slices:
                        if publish is not None:
                            await publish(one.missed)
                        self._add(found, plan, one)
            except (SweepError, VaultError) as error:
                found.failed[plan.connection] = str(error)
            else:
                found.done += 1

    @asynccontextmanager
    async def _publishing(self, act: Signed) -> AsyncIterator[Publish]:
        topics = self.settings.topics
        async with one_off_producer(self.client) as producer:
            await record_act(producer, topics, AuditedAct.BACKFILL, act, about=self._about())
            yield BackfillProducer(topics, producer).publish

    def _plans(self, stored: Definitions) -> tuple[SweepPlan, ...]:
        asked = plans(stored, self.connection)
        if asked:
            return asked
        which = "no connection" if self.connection is None else f"no connection {self.connection}"
        raise FailureError(
            f"There is {which} with triggers whose events could be listed: `stripeline status` says whether it is"
            " paused, or Stripe refuses its key."
        )

    def _warn(self, stored: Definitions, asked: tuple[SweepPlan, ...], say: Say) -> None:
        for plan in asked:
            known = stored.sweeps.get(plan.connection)
            new = [one.name for one in plan.own if one.made_s is None and not (known and since_of(known, one))]
            if new:
                say(
                    f"{', '.join(new)}: no event of theirs is known to have come, so those that their endpoints were"
                    " never meant to send count as missing"
                )

    def _about(self) -> str:
        first, last = (rfc3339(at_s * 1000) for at_s in self.wanted)
        return f"events created from {first} to {last} of {self.connection or 'all connections'}"

    @asynccontextmanager
    async def _sweeps(self, stored: Definitions) -> AsyncIterator[SweepOf]:
        vault, topics = required_vault(self.settings), self.settings.topics
        stripes_own = self.settings.stripe_api_base == STRIPES_OWN
        pace = SweepPace(lambda name: connection_limits(stored.connections[name], stripes_own=stripes_own))
        opened = lambda: seen_log(topics, self.client, _now_ms())  # noqa: E731
        async with stripe_client(self.settings) as stripe, note_readings(opened) as readings:
            lists, room = StripeLists(stripe.read, pace, _now_ms), SliceRoom(MAX_BYTES * MAX_OF_A_SECOND)

            def sweep_of(plan: SweepPlan) -> PlanSweep:
                name = plan.connection
                key = vault.open(connection_secret(name), stored.connections[name].secret_key)
                since = partial(_since, self.wanted.first_s)
                return PlanSweep(
                    lists=lists, strike=readings.strike, room=room, now_ms=_now_ms, plan=plan, key=key, since=since
                )

            yield sweep_of

    def _add(self, found: MissedFound, plan: SweepPlan, one: SliceFound) -> None:
        found.listed += one.listed
        found.count += len(one.missed)
        room = self.limit - len(found.rows)
        found.rows.extend(_row(plan, each) for each in one.missed[: max(0, room)])


def _since(first_s: int, one: SweptTrigger) -> Mapping[str, int]:
    return dict.fromkeys(one.types, first_s)


def _row(plan: SweepPlan, one: Missed) -> Mapping[str, Any]:
    event = one.lacking.event
    return {
        "event": event.id,
        "type": event.type,
        "object": one.publication.key.decode(),
        "trigger": one.publication.trigger,
        "connection": plan.connection,
        "account": event.account,
        "created": rfc3339(event.created_s * 1000),
    }


async def _say_how_far(found: MissedFound, connections: int, say: Say) -> None:
    while True:
        await asyncio.sleep(_SAY_EVERY_S)
        ended = found.done + len(found.failed)
        of = f", {ended:,} of {connections:,} connections to their end" if connections > 1 else ""
        say(f"compared {found.listed:,} events{of}: {found.count:,} missing")


def _now_ms() -> int:
    return int(time.time() * 1000)
