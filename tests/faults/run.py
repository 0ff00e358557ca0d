"""One run of the fault suite, from an empty Kafka to the report: traffic and faults, then the comparison."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripeline.deploy.local.reconciliation import EndState, Sent, broken_rules
from tests.faults.collect import collect, forbidden, kafkas_own_faults
from tests.faults.collect import sent as sent_by
from tests.faults.deliveries import Deliveries
from tests.faults.orders import Orders
from tests.faults.report import Report, Struck
from tests.faults.samples import Samples
from tests.faults.schedule import LONG_S, Planned, lanes, schedule
from tests.faults.table import FAULTS
from tests.faults.world import World, opened
from tests.support.broker_cluster import ONE, Layout
from tests.support.end_state import no_lag

PROGRESS_S = 10.0
DRAIN_S = 240.0
SETTINGS = {"reconcile_after": "500ms", "call_timeout": "5s"}
# Together with their calls' deadlines longer than the longest outage of Stripe, so that few commands use them up.
TIERS = {True: "300ms,1s,3s,10s,40s", False: "300ms,1s,2s,4s,8s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. The rates are each second's deliveries, and commands of the other team."""

    seed: int
    seconds: float
    deliveries_per_s: float = 40.0
    commands_per_s: float = 15.0
    brokers: int = 1


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    async with _world(plan, folder, say) as world:
        deliveries, orders = _generators(plan, world)
        samples, struck = Samples(), list[Struck]()
        watchers = [world.watch(), samples.watch(world.found.processes), _progress(world, deliveries, orders)]
        async with _beside(watchers):
            say(f"seed {plan.seed}: {plan.seconds:.0f} s of traffic and faults")
            async with asyncio.TaskGroup() as group:
                group.create_task(deliveries.run(plan.seconds))
                group.create_task(orders.run(plan.seconds))
                for lane in _lanes(schedule(plan.seed, plan.seconds, plan.brokers), plan.brokers):
                    group.create_task(_strike(plan, world, lane, deliveries, struck))
            world.tell("the last fault is over, and all deliveries are acknowledged")
            worked_off_s, stuck = await _worked_off(world)
        return await _report(plan, world, deliveries, orders, samples, struck, worked_off_s, stuck)


@asynccontextmanager
async def _world(plan: Plan, folder: Path, say: Callable[[str], None]) -> AsyncIterator[World]:
    """Clients meet each broker behind a proxy."""
    settings = {**SETTINGS, "retry_tiers": TIERS[plan.seconds >= LONG_S / 6]}
    layout = ONE if plan.brokers == 1 else Layout(brokers=plan.brokers, proxied=True)
    async with opened(layout, folder, say, **settings) as world:
        yield world


def _generators(plan: Plan, world: World) -> tuple[Deliveries, Orders]:
    deliveries = Deliveries(world.urls, plan.deliveries_per_s, random.Random(plan.seed + 1))
    topic, bootstrap = world.found.settings.topics.command, world.brokers.bootstrap_servers
    return deliveries, Orders(bootstrap, topic, plan.commands_per_s, random.Random(plan.seed + 2))


def _lanes(planned: tuple[Planned, ...], brokers: int) -> list[list[Planned]]:
    return [[one for one in planned if one.name in {kind.name for kind in lane}] for lane in lanes(brokers)]


async def _strike(plan: Plan, world: World, lane: list[Planned], deliveries: Deliveries, struck: list[Struck]) -> None:
    """The faults of one lane, each at its time or as soon as the one before it is over; late ones only if needed."""
    for planned in lane:
        late = time.monotonic() - world.began_s > plan.seconds
        if late and planned.name in {one.name for one in struck}:
            continue
        await asyncio.sleep(max(0.0, world.began_s + planned.at_s - time.monotonic()))
        began_s, before = time.monotonic(), (len(deliveries.acknowledged), deliveries.refused)
        world.tell(f"{planned.name} {planned.target}")
        await FAULTS[planned.name](world, planned)
        took_s = time.monotonic() - began_s
        after = (len(deliveries.acknowledged) - before[0], deliveries.refused - before[1])
        struck.append(Struck(planned.name, took_s, *after))
        if took_s >= 1:
            world.tell(f"{planned.name} {planned.target} is over")


async def _progress(world: World, deliveries: Deliveries, orders: Orders) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        world.tell(
            f"  events {len(deliveries.sent)} sent, {len(deliveries.acknowledged)} acknowledged, "
            f"{deliveries.refused} refused; commands {len(orders.sent)} sent, {len(orders.acknowledged)} acknowledged"
        )


@asynccontextmanager
async def _beside(watchers: list[Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(watcher) for watcher in watchers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _worked_off(world: World) -> tuple[float, list[str]]:
    """Wait until nothing is left: the seconds that it took, and what is stuck all the same."""
    begun_s = time.monotonic()
    try:
        await world.ready()
        await no_lag(world.found, within_s=DRAIN_S)
    except AssertionError as error:
        return time.monotonic() - begun_s, [f"stuck: {error}"]
    return time.monotonic() - begun_s, []


async def _report(
    plan: Plan, world: World, deliveries: Deliveries, orders: Orders, samples: Samples, struck: list[Struck],
    worked_off_s: float, stuck: list[str],
) -> Report:  # fmt: skip
    sent = sent_by(deliveries, orders)
    state = await collect(world.found, sent.reused | sent.perhaps)
    ledger = await world.found.sandbox("/ledger?limit=1")
    return Report(
        seed=plan.seed,
        seconds=plan.seconds,
        counts={
            **_counts(sent, state),
            "keys rolled": world.keys.rolled,
            "calls repeated with the same key": ledger["attempts"]["repeated"],
        },
        rules=broken_rules(sent, state),
        struck=struck,
        trends=samples.trends(),
        ended_by_themselves=world.ended_by_themselves,
        in_logs=forbidden(process.log for process in world.found.processes.values()),
        answers=deliveries.answers,
        worked_off_s=worked_off_s,
        stuck=[*stuck, *_refused_keys(ledger)],
        kafkas_own=kafkas_own_faults(world.brokers.logs),
    )


def _refused_keys(ledger: Mapping[str, Any]) -> list[str]:
    """A rolled key is used by nobody when its time is over."""
    count = ledger["requests"]["refused_keys"]
    return [f"{count} calls with a key that had been rolled"] if count else []


def _counts(sent: Sent, state: EndState) -> dict[str, int]:
    statuses = [result["status"] for result in state.first_results.values()]
    reasons = [letter.reason for letter in state.dead_letters]
    return {
        "events sent": len(sent.events),
        "events acknowledged": len(sent.events_acknowledged),
        "events on the topic": len(set(state.events)),
        "  records of them, twins too": len(state.events),
        "commands of the other team": len(sent.commands),
        "  acknowledged": len(sent.commands_acknowledged),
        "commands on the topic": len(state.command_ids),
        "effects at Stripe": len(state.effects),
        "results": len(state.results),
        **{f"  {status}": statuses.count(status) for status in ("succeeded", "failed", "indeterminate")},
        "dead letters": len(reasons),
        **{f"  for {reason}": reasons.count(reason) for reason in sorted(set(reasons))},
    }
