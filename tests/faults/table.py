"""What each fault does. One function a kind: it breaks something, waits, and puts it right again."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stripeline.deploy.sandbox.hops import HOPS
from tests.faults.schedule import Planned
from tests.faults.world import LASTING, World
from tests.support.cluster import SECRET
from tests.support.spoiled_requests import delivery, random_spoiled
from tests.support.wrong_clock import library
from tests.support.wrong_clock import wrong_clock as environment_of

Fault = Callable[[World, Planned], Awaitable[None]]

STORM_EVERY_S = 5.0
SLOW_S = 1.0
STALLED = 50
FAILURES: tuple[Mapping[str, Any], ...] = (
    {"status": 500, "when": "before", "stored": False},
    {"status": 500, "when": "after", "stored": True},
    {"status": 429, "when": "before"},
    {"status": 503, "when": "before", "body": "<html>gateway</html>"},
    {"drop": True, "when": "before"},
    {"drop": True, "when": "after"},
    {"cut_body": True, "when": "after"},
)
SHARE_FAILING, SHARE_STORED = 0.3, 0.02
SHARE_LYING, SHARE_LOST = 0.25, 0.03
LOST_BY_A_HOP = ("html_404", "message_401", "html_502")
"""Stripe did the work, and its answer is replaced on the way back by one that looks final."""


async def kill(world: World, planned: Planned) -> None:
    """kill -9, and started again at once."""
    process = world.process(planned.target)
    process.kill()
    process.start()


async def stop(world: World, planned: Planned) -> None:
    process = world.process(planned.target)
    process.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        process.signal(signal.SIGCONT)


async def rebalance_storm(world: World, planned: Planned) -> None:
    """A worker comes and goes every few seconds; half of the time it says goodbye, half of the time it is killed."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + planned.lasts_s
    world.in_hand.add("worker")
    rounds = 0
    while loop.time() < until_s:
        worker = world.guest()
        await asyncio.sleep(STORM_EVERY_S)
        if rounds % 2:
            worker.kill()
        else:
            await worker.end()
        rounds += 1


async def rolling_restart(world: World, _: Planned) -> None:
    """SIGTERM to one after the other, each waited for."""
    for name in LASTING:
        process = world.process(name)
        code = await world.restart(process)
        if code not in {0, -signal.SIGTERM}:  # the latter: it was killed just before, and had no handler yet
            world.ended_by_themselves.append(f"{name} with {code} on SIGTERM")
        with contextlib.suppress(AssertionError):  # the broker may be away: the watch has an eye on it
            await process.ready(within_s=8)


async def kill_broker(world: World, planned: Planned) -> None:
    node = int(planned.target)
    world.brokers.kill(node)
    await asyncio.sleep(planned.lasts_s)
    await world.brokers.start(node)
    await _in_sync(world)


async def broker_away(world: World, planned: Planned) -> None:
    """A partition between all clients and a broker: connections stand, and nothing comes.

    Not a SIGSTOP of an only broker: it would fence itself when it comes back, and a Kafka of one node then skips the
    ends of transactions, because for a moment its partitions have no leader (TransactionMarkerChannelManager, 4.3).
    """
    proxy = world.brokers.proxies[int(planned.target)]
    proxy.silent()
    await asyncio.sleep(planned.lasts_s)
    await proxy.works()


async def roll_brokers(world: World, _: Planned) -> None:
    """SIGTERM to one after the other, the next one when all replicas are in sync: an upgrade."""
    for node in world.brokers.brokers:
        await world.brokers.stop(node)
        await world.brokers.start(node)
        await _in_sync(world)


async def two_brokers_away(world: World, planned: Planned) -> None:
    """All but one are killed: it is alive, and may take nothing."""
    gone = [node for node in world.brokers.brokers if node != int(planned.target)]
    for node in gone:
        world.brokers.kill(node)
    await asyncio.sleep(planned.lasts_s)
    await asyncio.gather(*(world.brokers.start(node) for node in gone))
    await _in_sync(world)


async def freeze_broker(world: World, planned: Planned) -> None:
    """SIGSTOP for longer than a session: the others replace it, and it comes back believing that it leads."""
    node = int(planned.target)
    world.brokers.freeze(node)
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        world.brokers.thaw(node)
    await _in_sync(world)


async def _in_sync(world: World) -> None:
    """A fault is over when another one may strike: with a replica less, the next would be two at a time."""
    if len(world.brokers.brokers) > 1:
        await world.brokers.in_sync()


async def stripe_slow(world: World, planned: Planned) -> None:
    await world.found.sandbox("/settings", {"latency_s": SLOW_S})
    await asyncio.sleep(planned.lasts_s)
    await world.found.sandbox("/settings", {"latency_s": 0.0})


async def stripe_failing(world: World, planned: Planned) -> None:
    for fault in FAILURES:
        rule = {"match": {"probability": SHARE_FAILING / len(FAILURES)}, "times": None, "fault": fault}
        await world.found.sandbox("/faults", rule)
    # Kept and replayed for ever, and no effect to be found: this is what ends as indeterminate.
    never = {"status": 500, "when": "before", "stored": True}
    await world.found.sandbox("/faults", {"match": {"probability": SHARE_STORED}, "times": None, "fault": never})
    await asyncio.sleep(planned.lasts_s)
    await world.found.sandbox("/faults", method="DELETE")


async def stripe_refuses(world: World, planned: Planned) -> None:
    await world.to_stripe.refuses()
    await asyncio.sleep(planned.lasts_s)
    await world.to_stripe.works()


async def stripe_silent(world: World, planned: Planned) -> None:
    """A partition between the executors and Stripe."""
    world.to_stripe.silent()
    await asyncio.sleep(planned.lasts_s)
    await world.to_stripe.works()


async def lying_hop(world: World, planned: Planned) -> None:
    """A proxy answers some calls in Stripe's place: pages of every status, a login page, JSON without an `error`."""
    for name in HOPS:
        rule = {"answer": name, "match": {"probability": SHARE_LYING / len(HOPS)}, "times": None}
        await world.found.sandbox("/hops", rule)
    for name in LOST_BY_A_HOP:
        rule = {"answer": name, "when": "after", "match": {"probability": SHARE_LOST}, "times": None}
        await world.found.sandbox("/hops", rule)
    await asyncio.sleep(planned.lasts_s)
    await world.found.sandbox("/faults", method="DELETE")


async def key_roll(world: World, planned: Planned) -> None:
    """A key of the same account, under traffic. The old one works until nobody can still have it."""
    # Longer than a worker may be cut off from the definitions.
    await world.keys.roll(planned.target, keep_s=30 + 6 * planned.lasts_s)
    await asyncio.sleep(planned.lasts_s)


async def wrong_clock(world: World, planned: Planned) -> None:
    """One more worker, on a host whose clock is hours wrong; it takes its share of the work, and is killed."""
    if library() is None:
        world.tell("no libfaketime on this system: no clock is wrong")
        return
    world.in_hand.add("skewed")
    ahead_s = float(planned.target.removesuffix("h")) * 3_600
    worker = world.found.add("skewed", "worker", **environment_of(ahead_s))
    try:
        await asyncio.sleep(planned.lasts_s)
    finally:
        worker.kill()


async def bad_input(world: World, planned: Planned) -> None:
    """Spoiled requests, and clients that stall in head and body, beside the good ones."""
    choice = random.Random(planned.at_s)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + planned.lasts_s
    stalled = [asyncio.create_task(_stall(world, number, planned.lasts_s)) for number in range(STALLED)]
    while loop.time() < until_s:
        # Their ids begin like no event of the generator: one that is published would be found out.
        wire = random_spoiled("evt_hostile", "whsec_not_ours", choice).wire
        with contextlib.suppress(OSError, TimeoutError):
            await _throw(world, wire)
    await asyncio.gather(*stalled)


async def _throw(world: World, wire: bytes) -> None:
    async with asyncio.timeout(0.2):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.found.ingest_port)
        try:
            writer.write(wire)
            await reader.read(1_000)
        finally:
            writer.transport.abort()


async def _stall(world: World, number: int, seconds: float) -> None:
    wire = delivery(f"evt_stalled_{number}", SECRET).wire
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.found.ingest_port)
            try:
                writer.write(wire[:60] if number % 2 else wire[:-60])
                await reader.read()
            finally:
                writer.transport.abort()


FAULTS: Mapping[str, Fault] = {
    "kill-ingest": kill,
    "kill-router": kill,
    "kill-executor": kill,
    "stop-ingest": stop,
    "stop-router": stop,
    "stop-executor": stop,
    "rebalance-storm": rebalance_storm,
    "rolling-restart": rolling_restart,
    "kill-broker": kill_broker,
    "broker-away": broker_away,
    "roll-brokers": roll_brokers,
    "two-brokers-away": two_brokers_away,
    "freeze-broker": freeze_broker,
    "stripe-slow": stripe_slow,
    "stripe-failing": stripe_failing,
    "stripe-refuses": stripe_refuses,
    "stripe-silent": stripe_silent,
    "lying-hop": lying_hop,
    "key-roll": key_roll,
    "wrong-clock": wrong_clock,
    "bad-input": bad_input,
}
