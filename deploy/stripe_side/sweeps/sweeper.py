"""Runs the sweeps in the process that owns executor partition 0: Kafka elects and fences it already.

Each connection by itself, many beside one another: one that fails, or that Stripe answers slowly, delays no other. They
share the readings of what came, the room for what is listed, and the calls at a time. How far a connection came is
written when its window was compared to its end and what was missing is published; a process that takes over goes on
there. Two that sweep at a time, for a moment, publish twice: the run is the same.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
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
from stripeline.deploy.runtime.derived.connection_parts import ConnectionParts
from stripeline.deploy.stripe_side.sweeps import enrolment
from stripeline.deploy.stripe_side.sweeps import sweep_windows as windows
from stripeline.deploy.stripe_side.sweeps.backfill_producer import BackfillProducer
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed
from stripeline.deploy.stripe_side.sweeps.list_answer import SweepError
from stripeline.deploy.stripe_side.sweeps.note_readings import NoteReadings
from stripeline.deploy.stripe_side.sweeps.plan_sweep import PlanSweep
from stripeline.deploy.stripe_side.sweeps.seen_log import SeenLog, seen_log
from stripeline.deploy.stripe_side.sweeps.slice_room import SliceRoom
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, plan_of
from stripeline.deploy.stripe_side.sweeps.sweep_state import SweepState, SweepView
from stripeline.deploy.stripe_side.sweeps.sweep_windows import SweepWindow
from stripeline.deploy.stripe_side.sweeps.window_sweep import MAX_BYTES
from stripeline.workers.kafka.one_off_producer import one_off_producer

log = structlog.get_logger(__name__)
_TICK_S: Final = 5.0
_LOOK_EVERY_MS: Final = 600_000
_LOOK_BACK_MS: Final = 15 * 60_000
_NOTES_FOR_MS: Final = 60_000
_PRODUCERS: Final = 4
_ROOM_BYTES: Final = 4 * MAX_BYTES
_BEGUN: Final = 1_000
_AT_ONCE: Final = 25
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
    _readings: NoteReadings = field(init=False)
    _room: SliceRoom = field(default_factory=lambda: SliceRoom(_ROOM_BYTES))
    _producers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PRODUCERS))
    _parts: ConnectionParts = field(default_factory=ConnectionParts)
    _plans: dict[str, SweepPlan] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _notes: Mapping[str, enrolment.FirstNote] = field(default_factory=dict)
    _notes_of: frozenset[str] | set[str] = frozenset()
    _notes_ms: int = 0

    def __post_init__(self) -> None:
        self._readings = NoteReadings(self._seen, lambda: len(self._running) - self._room.waiting)

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
                    await self._note(self.definitions())
                    await self._begin()
                elif self.owns():
                    await self._forget()
        finally:
            for task in self._running.values():
                task.cancel()
            if self._running:
                await asyncio.wait(self._running.values(), timeout=_STOP_S)
            await self._readings.stop()

    async def _forget(self) -> None:
        self._known.clear()
        known = list(self.definitions().sweeps)
        with contextlib.suppress(KafkaError, TimeoutError):  # tried again soon
            if known:
                await self.write({f"{SWEEP}/{name}": None for name in known})

    async def _begin(self) -> None:
        """Begin those that have something to do, up to a number; the others' turn comes next."""
        waiting = (name for name, plan in self._plans.items() if self._may_begin(name, plan))
        for number, name in enumerate(list(islice(waiting, _BEGUN - len(self._running))), start=1):
            plan = self._plans[name] = self._plans.pop(name)  # to the end: where not all can begin, by turns
            task = self._running[name] = asyncio.create_task(self.once(plan), name=f"sweep of {name}")
            task.add_done_callback(lambda _, name=name: self._running.pop(name))  # type: ignore[misc]
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # as above

    def _may_begin(self, name: str, plan: SweepPlan) -> bool:
        return name not in self._running and self.state.may_try(name, self.now_ms()) and self._is_due(plan)

    async def _note(self, now: Definitions) -> None:
        """Plan again for the connections about which something changed, at the start for all of them."""
        changed = self._parts.changed(now)
        for number, name in enumerate(sorted(changed), start=1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # commands are not to wait for it
            plan = plan_of(self._parts.of(name), name)
            if plan is None:
                self._plans.pop(name, None)
            elif plan != self._plans.get(name):
                self._plans[name] = plan
                self._looked_ms.pop(name, None)
        if changed:
            self.state.forget(self._plans)

    def _is_due(self, plan: SweepPlan) -> bool:
        """Whether a window is due, or it may have to be enrolled: after a change, and then every ten minutes."""
        now_ms, newest = self.now_ms(), self._newest(plan.connection)
        if now_ms - self._looked_ms.get(plan.connection, 0) >= _LOOK_EVERY_MS:
            return True
        return newest is not None and bool(newest.triggers) and windows.due(newest, now_ms // 1000) is not None

    def _newest(self, name: str) -> Sweep | None:
        stored = self.definitions().sweeps.get(name)
        return max(filter(None, (stored, self._known.get(name))), key=lambda one: one.at_ms, default=None)

    async def once(self, plan: SweepPlan) -> None:
        """All that is due of one connection. Raises nothing."""
        name = plan.connection
        try:
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
        newest = self._newest(name)
        sweep = windows.of_account(newest, plan.account, plan.mode, now_ms)
        notes: Mapping[str, enrolment.FirstNote] = {}
        wanted = enrolment.unproved(sweep, plan)
        looks = now_ms - self._looked_ms.get(name, 0) >= _LOOK_EVERY_MS
        if looks:
            notes = await self._first_notes(wanted, now_ms)
            self.state.undeclared[name] = enrolment.of_connected_accounts(plan, notes)
        sweep = enrolment.enrolled(sweep, plan, notes, now_ms // 1000)
        if sweep != newest and (sweep.triggers or newest is not None):
            await self._keep(name, sweep)
        if looks:
            self._looked_ms[name] = now_ms
        return sweep

    async def _first_notes(self, wanted: Collection[str], now_ms: int) -> Mapping[str, enrolment.FirstNote]:
        """Those of these triggers. One look at Kafka is for the unproved triggers of all connections."""
        if not wanted:
            return {}
        async with self._looking:
            if now_ms - self._notes_ms >= _NOTES_FOR_MS or not self._notes_of.issuperset(wanted):
                every = {one.name for plan in self._plans.values() for one in plan.own if one.made_s is None}
                asked = every.union(wanted)
                async with self._seen() as seen:
                    self._notes = await seen.first_notes(asked, now_ms - _LOOK_BACK_MS)
                self._notes_of, self._notes_ms = asked, now_ms
        return {name: self._notes[name] for name in wanted if name in self._notes}

    async def _compared(self, plan: SweepPlan, sweep: Sweep, window: SweepWindow) -> int:
        """Publish what is missing in a window, and return how many there were."""
        key = self.key(plan.connection)
        if key is None:
            raise SweepError(SweepTrouble.NO_KEY, "its key can't be opened by this process")
        missing = listed = 0
        found = PlanSweep(
            lists=self.lists, strike=self._readings.strike, room=self._room, now_ms=self.now_ms, plan=plan, key=key,
            since=partial(enrolment.since_of, sweep),
        )  # fmt: skip
        async with aclosing(found.slices(window.first_s, window.last_s)) as slices:
            async for one in slices:
                if not self.owns():
                    raise _TakenOverError
                await self._publish(one.missed)
                self._count(plan.connection, one.listed, [each.publication.trigger for each in one.missed])
                missing += len(one.missed)
                listed += one.listed
        event = LogEvent.EVENTS_BACKFILLED if missing else LogEvent.EVENTS_COMPARED
        first, last = rfc3339(window.first_s * 1000), rfc3339(window.last_s * 1000)
        say = log.warning if missing else log.info
        say(
            event, connection=plan.connection, window=window.kind, since=first, until=last, missing=missing,
            listed=listed,
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

    async def _publish(self, missed: Sequence[Missed]) -> None:
        if missed:  # rarely: so each time with a producer of its own
            async with self._producers, one_off_producer(self.client) as producer:
                await BackfillProducer(self.topics, producer).publish(missed)

    def _seen(self) -> AbstractAsyncContextManager[SeenLog]:
        return seen_log(self.topics, self.client, self.now_ms())
