"""Runs the sweeps in the process that owns executor partition 0: Kafka elects and fences it already.

Each connection by itself, a few at a time: one that fails, or that Stripe answers slowly, delays no other. How far a
connection came is written when its window was compared to its end and what was missing is published; a process that
takes over goes on there. Two that sweep at a time, for a moment, publish twice: the run is the same.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.deliveries.delivery_vocabulary import SweepTrouble
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import SWEEP
from stripeline.contracts.operator.stripe_side_records import Sweep
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.stripe_side.sweeps import enrolment
from stripeline.deploy.stripe_side.sweeps import sweep_windows as windows
from stripeline.deploy.stripe_side.sweeps.backfill_producer import BackfillProducer
from stripeline.deploy.stripe_side.sweeps.list_answer import SweepError
from stripeline.deploy.stripe_side.sweeps.plan_sweep import PlanSweep
from stripeline.deploy.stripe_side.sweeps.seen_log import SeenLog, seen_log
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, plans
from stripeline.deploy.stripe_side.sweeps.sweep_state import SweepState, SweepView
from stripeline.deploy.stripe_side.sweeps.sweep_windows import SweepWindow
from stripeline.workers.kafka.one_off_producer import one_off_producer

log = structlog.get_logger(__name__)
_TICK_S: Final = 5.0
_LOOK_EVERY_MS: Final = 600_000
_LOOK_BACK_MS: Final = 15 * 60_000
_AT_A_TIME: Final = 4
_STOP_S: Final = 5.0


class _TakenOverError(Exception):
    """Another process owns partition 0 now, and goes on."""


@dataclass(slots=True, kw_only=True)
class Sweeper:
    """definitions: now. key: a connection's, None where it can't be opened. owns: whether partition 0 is ours.

    write: records of the control topic.
    enabled: when it is not, what is known of former sweeps is forgotten: turned on again, they begin then.
    """

    definitions: Callable[[], Definitions]
    key: Callable[[str], SecretStr | None]
    owns: Callable[[], bool]
    lists: StripeLists
    topics: Topics
    client: Mapping[str, Any]
    write: Callable[[Mapping[str, bytes | None]], Awaitable[None]]
    now_ms: Callable[[], int]
    words: Callable[[Exception], str] = str
    enabled: bool = True
    state: SweepState = field(default_factory=SweepState)
    _known: dict[str, Sweep] = field(default_factory=dict)
    _looked_ms: dict[str, int] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_A_TIME))

    def view(self) -> SweepView:
        """For the metrics. A process that does not sweep knows of none."""
        known = self.definitions().sweeps if self.owns() else {}
        return SweepView(self.state, known, self.lists.calls, self.now_ms())

    def warnings(self) -> str | None:
        return self.state.warnings() if self.owns() else None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                if self.owns() and self.enabled:
                    self._begin()
                elif self.owns():
                    await self._forget()
        finally:
            for task in self._running.values():
                task.cancel()
            if self._running:
                await asyncio.wait(self._running.values(), timeout=_STOP_S)

    async def _forget(self) -> None:
        self._known.clear()
        known = list(self.definitions().sweeps)
        with contextlib.suppress(KafkaError, TimeoutError):  # tried again soon
            if known:
                await self.write({f"{SWEEP}/{name}": None for name in known})

    def _begin(self) -> None:
        wanted = {plan.connection: plan for plan in plans(self.definitions())}
        self.state.forget(wanted)
        for name, task in list(self._running.items()):
            if task.done():
                del self._running[name]
        for name, plan in wanted.items():
            if name not in self._running and self.state.may_try(name, self.now_ms()):
                self._running[name] = asyncio.create_task(self.once(plan), name=f"sweep of {name}")

    async def once(self, plan: SweepPlan) -> None:
        """All that is due of one connection. Raises nothing."""
        name = plan.connection
        try:
            async with self._room:
                await self._all_due(plan)
        except _TakenOverError:
            pass
        except SweepError as error:
            self._failed(name, error.trouble, str(error))
        except (KafkaError, FailureError, TimeoutError, OSError) as error:
            self._failed(name, SweepTrouble.KAFKA, self.words(error) or type(error).__name__)
        except Exception:
            log.exception(LogEvent.SWEEP_FAILED, connection=name, reason=SweepTrouble.FAILED)
            self.state.failed(name, SweepTrouble.FAILED, "a fault of Stripeline; the log says which", self.now_ms())
        else:
            self.state.well(name)

    def _failed(self, name: str, trouble: SweepTrouble, words: str) -> None:
        log.warning(LogEvent.SWEEP_FAILED, connection=name, reason=trouble, error=words)
        self.state.failed(name, trouble, words, self.now_ms())

    async def _all_due(self, plan: SweepPlan) -> None:
        sweep = await self._enrolled(plan)
        while self.owns() and sweep.triggers and (window := windows.due(sweep, self.now_ms() // 1000)) is not None:
            if window.lost_s:
                self._too_old(plan.connection, window)
            missing = await self._compared(plan, sweep, window)
            sweep = windows.after(sweep, window, missing, self.now_ms())
            await self._keep(plan.connection, sweep)

    async def _enrolled(self, plan: SweepPlan) -> Sweep:
        name, now_ms = plan.connection, self.now_ms()
        stored = self.definitions().sweeps.get(name)
        newest = max(filter(None, (stored, self._known.get(name))), key=lambda one: one.at_ms, default=None)
        sweep = windows.of_account(newest, plan.account, plan.mode, now_ms)
        notes: Mapping[str, enrolment.FirstNote] = {}
        wanted = enrolment.unproved(sweep, plan)
        if wanted and now_ms - self._looked_ms.get(name, 0) >= _LOOK_EVERY_MS:
            async with seen_log(self.topics, self.client, now_ms) as seen:
                notes = await seen.first_notes(wanted, now_ms - _LOOK_BACK_MS)
            self._looked_ms[name] = now_ms
            self.state.undeclared[name] = enrolment.of_connected_accounts(plan, notes)
        sweep = enrolment.enrolled(sweep, plan, notes, now_ms // 1000)
        if sweep != newest and (sweep.triggers or newest is not None):
            await self._keep(name, sweep)
        return sweep

    async def _compared(self, plan: SweepPlan, sweep: Sweep, window: SweepWindow) -> int:
        """Publish what is missing in a window, and return how many there were."""
        key = self.key(plan.connection)
        if key is None:
            raise SweepError(SweepTrouble.NO_KEY, "its key can't be opened by this process")
        missing, calls = 0, self.lists.calls
        async with self._opened() as (seen, producer):
            found = PlanSweep(
                lists=self.lists,
                seen=seen,
                now_ms=self.now_ms,
                plan=plan,
                key=key,
                since=partial(enrolment.since_of, sweep),
            )
            async with aclosing(found.slices(window.first_s, window.last_s)) as slices:
                async for one in slices:
                    if not self.owns():
                        raise _TakenOverError
                    await producer.publish(one.missed)
                    self._count(plan.connection, one.listed, [each.publication.trigger for each in one.missed])
                    missing += len(one.missed)
        event = LogEvent.EVENTS_BACKFILLED if missing else LogEvent.EVENTS_COMPARED
        first, last = rfc3339(window.first_s * 1000), rfc3339(window.last_s * 1000)
        say = log.warning if missing else log.info
        say(
            event, connection=plan.connection, window=window.kind, since=first, until=last, missing=missing,
            calls=self.lists.calls - calls,
        )  # fmt: skip
        return missing

    def _count(self, connection: str, listed: int, triggers: list[str]) -> None:
        self.state.listed[connection] += listed
        for trigger in triggers:
            self.state.backfilled[connection, trigger] += 1

    def _too_old(self, connection: str, window: SweepWindow) -> None:
        until = rfc3339(window.first_s * 1000)
        words = f"no sweep ran for so long that events from before {until} are not in Stripe's list any more"
        log.error(LogEvent.SWEEP_FAILED, connection=connection, reason=SweepTrouble.TOO_OLD, error=words)
        self.state.failures[connection, SweepTrouble.TOO_OLD] += 1

    async def _keep(self, connection: str, sweep: Sweep) -> None:
        await self.write({f"{SWEEP}/{connection}": encode(sweep)})
        self._known[connection] = sweep

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[SeenLog, BackfillProducer]]:
        async with (
            seen_log(self.topics, self.client, self.now_ms()) as seen,
            one_off_producer(self.client) as producer,
        ):
            yield seen, BackfillProducer(self.topics, producer)
