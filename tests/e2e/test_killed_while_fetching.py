"""An executor killed with SIGKILL at each point of a sweep, and of a thin event's way: nothing lost, nothing twice.

Real processes, a real Kafka, and the sandbox. Each executor meets new work and dies at its point; the next one goes on.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import encode
from stripeline.deploy.local.kafka import free_port
from stripeline.deploy.stripe_side.sweeps.sweep_plan import plans
from stripeline.workers.kafka.control_table import publish, read_all
from tests.support.broker import Broker
from tests.support.cluster import KEY, SECRET, Cluster, cluster
from tests.support.end_state import event_records
from tests.support.money import done_by_runs
from tests.support.product_sources import ROOT
from tests.support.sweep_installation import CHANGED, FILE, HOUR_S, PAID, PAST_DUE, place

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
AT_A_TIME = 6
Point = tuple[str, int]
"""A target, and which of its points."""
SWEEP: Sequence[Point] = (
    ("api.read:/v1/events", 0), ("api.read:/v1/events", 1), ("kafka.send:payment-event", 0),
    ("kafka.send:payment-event", 7), ("kafka.send_and_wait:event-seen", 0), ("kafka.send_and_wait:event-seen", 1),
    ("kafka.send_and_wait:control", 0), ("kafka.send_and_wait:control", 1),
)  # fmt: skip
THIN: Sequence[Point] = (
    ("api.fetch:", 0), ("api.fetch:", 1), ("api.fetch:", 15), ("api.fetch:", 20), ("kafka.send_batch:", 0),
    ("kafka.send_batch:", 1), ("kafka.commit_transaction:", 0), ("kafka.commit_transaction:", 1),
)  # fmt: skip


async def dies(found: Cluster, point: Point) -> None:
    """Start an executor, and wait until it has killed itself at this point."""
    target, number = point
    log = found.folder / "dying.log"
    environment = {
        **os.environ, **found.environment, "STRIPELINE_ADMIN_PORT": str(free_port()), "PYTHONPATH": str(ROOT)
    }  # fmt: skip
    with log.open("ab") as out:
        child = subprocess.Popen(  # noqa: ASYNC220  (only its end is waited for)
            [sys.executable, "-m", "tests.support.dying_process", str(number), target, "executor"],
            env=environment, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        code = await asyncio.to_thread(child.wait, 90)
    finally:
        child.kill()
    assert code == -signal.SIGKILL, (point, log.read_text()[-3_000:])


async def make(found: Cluster, event_type: str, ago_s: int, *, deliver: bool) -> tuple[list[str], list[str]]:
    """Changes at Stripe: the ids of their snapshots, and of their thin events."""
    body = {
        "types": [event_type], "count": AT_A_TIME, "key": KEY, "created": int(time.time()) - ago_s, "spread_s": 60,
        "objects": AT_A_TIME, "deliver": deliver, "data": {"amount": 900, "receipt_email": "ada@example.com"},
    }  # fmt: skip
    made = await found.sandbox("/events", body)
    return made["ids"], made["thin_ids"]


async def ran_once(found: Cluster, ids: Sequence[str]) -> None:
    """Wait until each event's run has made its customer. None has made two."""
    assert await done_by_runs(found, ids, "customer", within_s=90) == dict.fromkeys(ids, 1)


async def last_sweep_was(found: Cluster, ago_s: int) -> None:
    """Write the place of a sweep that ended so long ago."""
    control = found.settings.topics.control
    (plan,) = plans((await read_all(control, found.client)), "acme")
    await publish(control, found.client, {"sweep/acme": encode(place(plan, ago_s, at_ms=int(time.time() * 1000)))})


async def test_an_executor_killed_in_a_sweep_misses_no_event(broker: Broker, prefix: str, tmp_path: Path) -> None:
    missed: list[str] = []
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=FILE) as found:
        found.add("router", "router")
        await found.ready()
        for point in SWEEP:
            missed += (await make(found, PAID, 5 * HOUR_S, deliver=False))[0]
            await last_sweep_was(found, 6 * HOUR_S)
            await dies(found, point)
        await last_sweep_was(found, 6 * HOUR_S)
        await found.add("executor", "executor").ready()
        await ran_once(found, missed)
        records = await event_records(found, "payment-event")
        assert {h.read(record.headers)[h.SOURCE] for record in records} == {h.BACKFILL}


async def test_an_executor_killed_at_thin_events_runs_each_once(broker: Broker, prefix: str, tmp_path: Path) -> None:
    twins, of_twins, alone = list[str](), list[str](), list[str]()
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=FILE, sweep="false") as found:
        found.add("router", "router")
        await found.ready()
        url = found.url.replace("payments", "customers")
        await found.sandbox("/webhooks", {"url": url, "secret": SECRET, "key": KEY, "thin": True, "types": ["*"]})
        for point in THIN:
            snapshots, thin = await make(found, CHANGED, 60, deliver=True)
            twins, of_twins = [*twins, *snapshots], [*of_twins, *thin]
            alone += (await make(found, PAST_DUE, 60, deliver=True))[1]
            await dies(found, point)
        await found.add("executor", "executor").ready()
        await ran_once(found, [*twins, *alone])
        published = Counter(orjson.loads(record.value)["id"] for record in await event_records(found, "customer-event"))
        assert {name: published[name] for name in (*twins, *alone)} == dict.fromkeys((*twins, *alone), 1)
        assert not published.keys() & set(of_twins)
