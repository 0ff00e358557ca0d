"""Events that Stripe made and that never came, on a real Kafka, by the sandbox's list: each is found, and runs once."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import plans
from stripeline.deploy.stripe_side.sweeps.sweeper import Sweeper
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.secrets.vault import Vault, connection_secret
from stripeline.workers.stripe.api import StripeApi
from tests.support.broker import Broker
from tests.support.cluster import KEY, SECRET
from tests.support.end_state import read_topic
from tests.support.in_process_stack import InProcessStack, in_process_stack
from tests.support.money import effects, until

HOUR_S, DAY_S = 3_600, 86_400
TYPE = "payment_intent.succeeded"


@dataclass
class Installation:
    """The stack, with a sweeper that a test calls by hand."""

    stack: InProcessStack
    sweeper: Sweeper

    async def events(self, count: int, ago_s: int, *, deliver: bool, spread_s: int = 60) -> list[str]:
        """Events that the sandbox makes, from so long ago on."""
        body = {
            "types": [TYPE], "count": count, "key": KEY, "created": int(time.time()) - ago_s, "spread_s": spread_s,
            "deliver": deliver, "objects": count, "data": {"amount": 900, "receipt_email": "ada@example.com"},
        }  # fmt: skip
        made: list[str] = (await self.stack.cluster.sandbox("/events", body))["ids"]
        return made

    async def records(self) -> dict[str, list[Any]]:
        """What is on the topic of payments, by event."""
        found: dict[str, list[Any]] = {}
        topic = self.stack.cluster.settings.topics.event("payment-event")
        for record in await read_topic(self.stack.cluster.settings.kafka_bootstrap_servers, topic, 2):
            found.setdefault(orjson.loads(record.value)["id"], []).append(record)
        return found

    async def noted(self, ids: Sequence[str]) -> None:
        async def there() -> bool:
            settings = self.stack.cluster.settings
            notes = await read_topic(settings.kafka_bootstrap_servers, settings.topics.event_seen, 2)
            return set(ids) <= {one[0] for note in notes for one in orjson.loads(note.value)["events"]}

        await until("notes", there, self.stack.cluster)

    async def sweep_from(self, ago_s: int) -> Sweep:
        """Sweep as a process does that has not swept for so long."""
        await self.place(ago_s)
        (plan,) = plans(self.sweeper.definitions(), "acme")
        await self.sweeper.once(plan)
        assert self.sweeper.state.warnings() is None
        return self.sweeper._known["acme"]

    async def place(self, ago_s: int) -> None:
        now_s = int(time.time())
        since = SweptSince(
            trigger="payments", kind="stripe/payment-event", payload="snapshot", since_s=now_s - 10 * DAY_S
        )
        self.sweeper._known["acme"] = Sweep(
            mode="test", triggers=(since,), settled_upto_s=now_s - ago_s,
            closed_upto_s=now_s - ago_s, at_ms=int(time.time() * 1000) + 1_000_000_000,
        )  # fmt: skip

    async def runs(self, ids: Sequence[str]) -> dict[str, int]:
        """How many customers each event's run has made at Stripe."""

        async def done() -> dict[str, int] | None:
            made = {one.removesuffix(":two-steps:customer"): len(all_) for one, all_ in await self.made()}
            return made if set(ids) <= set(made) else None

        counted: dict[str, int] = await until("runs", done, self.stack.cluster, within_s=60)
        return {name: counted[name] for name in ids}

    async def made(self) -> list[tuple[str, list[Any]]]:
        return [(name, found) for name, found in (await effects(self.stack.cluster)).items() if "customer" in name]


@asynccontextmanager
async def installed(stack: InProcessStack) -> AsyncIterator[Installation]:
    cluster = stack.cluster
    await cluster.sandbox("/webhooks", {"url": cluster.url, "secret": SECRET, "key": KEY})
    async with stripe_client(cluster.settings) as stripe:
        yield Installation(stack, sweeper_of(stack, stripe))


def sweeper_of(stack: InProcessStack, stripe: StripeApi) -> Sweeper:
    settings = stack.cluster.settings
    vault = Vault.from_ring(settings.master_keys)
    return Sweeper(
        definitions=lambda: stack.shared.table.definitions,
        key=lambda name: vault.open(connection_secret(name), stack.shared.table.connections[name].secret_key),
        owns=lambda: True,
        lists=StripeLists(stripe.read, SweepPace(lambda _: Rate()), stack.shared.clock.now_ms),
        topics=settings.topics,
        client=stack.cluster.client,
        write=lambda changes: publish(settings.topics.control, stack.cluster.client, changes),
        now_ms=stack.shared.clock.now_ms,
    )


async def ingest_down_for_thirty_hours(found: Installation) -> None:
    came = await found.events(20, 30 * HOUR_S, deliver=True)
    missed = await found.events(30, 29 * HOUR_S, deliver=False, spread_s=28 * HOUR_S)
    await found.noted(came)
    known = await found.sweep_from(30 * HOUR_S)
    assert known.settled_upto_s > time.time() - 20 * 60
    records = await found.records()
    assert {name: len(records[name]) for name in (*came, *missed)} == dict.fromkeys((*came, *missed), 1)
    for name in missed:
        said = h.read(records[name][0].headers)
        assert said[h.SOURCE] == b"backfill"
        assert HOUR_S * 1000 / 2 < int(said[h.LATE_BY]) < 30 * HOUR_S * 1000
    assert h.SOURCE not in h.read(records[came[0]][0].headers)
    assert set((await found.runs([*came, *missed])).values()) == {1}
    await found.sweep_from(30 * HOUR_S)
    assert {len(one) for one in (await found.records()).values()} == {1}


@pytest.mark.asyncio
async def test_sweeps(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with (
        in_process_stack(broker.bootstrap_servers, "sweeps.", tmp_path, monkeypatch, sweep=False) as stack,
        installed(stack) as found,
    ):
        await ingest_down_for_thirty_hours(found)
