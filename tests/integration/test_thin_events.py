"""Thin events on a real Kafka with the sandbox: both destinations on, in any order, and one run for each change."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord

from stripeline.contracts import headers as h
from stripeline.contracts.deliveries.partitioner import partition_of
from tests.support.broker import Broker
from tests.support.cluster import KEY, SECRET
from tests.support.end_state import event_records, read_topic
from tests.support.in_process_stack import InProcessStack, in_process_stack
from tests.support.money import done_by_runs, until

FILE = """
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
triggers:
  payments: {kind: stripe/payment-event, connection: acme, payload: both, signing_secrets: ["${env:ACME_WHSEC}"]}
  customers: {kind: stripe/customer-event, connection: acme, payload: thin, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
  payments:
    trigger: payments
    types: [payment_intent.succeeded]
    steps: [{id: customer, action: stripe/create-customer, input: {email: "=data.receipt_email"}}]
  past-due:
    trigger: customers
    types: [customer.subscription.past_due]
    steps: [{id: note, action: stripe/create-customer, input: {description: "=data.id"}}]
"""
PARTITIONS = 4


@dataclass
class Installation:
    """The stack, with destinations of both kinds for payments, and thin ones for customers."""

    stack: InProcessStack

    async def control(self, path: str, body: Any = None, **how: Any) -> Any:
        return await self.stack.cluster.sandbox(path, body, **how)

    async def events(self, event_type: str, count: int, objects: int, **more: Any) -> tuple[list[str], list[str]]:
        """Changes that Stripe sends: the ids of their snapshots, and of their thin events."""
        body = {
            "types": [event_type], "count": count, "objects": objects, "key": KEY, "spread_s": 60, **more,
        }  # fmt: skip
        made = await self.control("/events", body)
        return made["ids"], made["thin_ids"]

    async def topic(self, name: str) -> list[ConsumerRecord]:
        return await event_records(self.stack.cluster, name)

    async def published(self, name: str, ids: list[str], within_s: float = 60) -> list[ConsumerRecord]:
        """The records of a family's topic, once each of these events is there."""

        async def there() -> list[ConsumerRecord] | None:
            found = await self.topic(name)
            return found if set(ids) <= {id_of(record) for record in found} else None

        found: list[ConsumerRecord] = await until("published", there, self.stack.cluster, within_s=within_s)
        return found

    async def runs(self, ids: list[str], step: str, within_s: float = 60) -> Counter[str]:
        """How often a step of each event's run was done at Stripe."""
        return await done_by_runs(self.stack.cluster, ids, step, within_s)


def id_of(record: ConsumerRecord) -> str:
    found: str = orjson.loads(record.value)["id"]
    return found


@asynccontextmanager
async def installed(broker: Broker, folder: Path) -> AsyncIterator[Installation]:
    with pytest.MonkeyPatch.context() as patch:
        async with in_process_stack(
            broker.bootstrap_servers, "thin.", folder, patch, config=FILE, partitions=PARTITIONS,
            retry_tiers="200ms,400ms,800ms", reconcile_after_ms="200ms",
        ) as stack:  # fmt: skip
            cluster = stack.cluster
            for thin in (False, True):
                await cluster.sandbox(
                    "/webhooks", {"url": cluster.url, "secret": SECRET, "key": KEY, "thin": thin, "types": ["*"]}
                )
            customers = cluster.url.replace("payments", "customers")
            await cluster.sandbox("/webhooks", {"url": customers, "secret": SECRET, "key": KEY, "thin": True})
            yield Installation(stack)


async def both_destinations(found: Installation, changes: int, objects: int, within_s: float) -> float:
    """Every snapshot and thin event twice and in random order, while Stripe fails now and then; the seconds it took."""
    began_s = time.monotonic()
    await found.control("/deliveries", {"do": "hold", "times": None})
    data = {"amount": 900, "receipt_email": "ada@example.com"}
    snapshots, thin = await found.events("payment_intent.succeeded", changes, objects, data=data)
    await found.control("/deliveries", method="DELETE")
    await found.control(
        "/faults",
        {"match": {"method": "GET", "probability": 0.05}, "fault": {"status": 500}, "times": max(4, changes // 20)},
    )
    await found.control("/deliveries/release", {"shuffle": True})
    again = [*snapshots, *thin]
    for first in range(0, len(again), 1_000):
        await found.control("/events/again", {"ids": again[first : first + 1_000]})
    made = await found.runs(snapshots, "customer", within_s)
    assert {made[name] for name in snapshots} == {1}
    assert not made.keys() & set(thin)

    async def delivered() -> list[ConsumerRecord] | None:
        came = await found.topic("thin-event")
        return came if set(thin) <= {id_of(record) for record in came} else None

    came = await until("all delivered", delivered, found.stack.cluster, within_s=within_s)

    async def fetched() -> list[ConsumerRecord] | None:
        records = await found.topic("payment-event")
        of_thin = [record for record in records if h.PAYLOAD in h.read(record.headers)]
        ours = [record for record in of_thin if id_of(record) in set(snapshots)]
        return records if len(ours) >= sum(id_of(record) in set(thin) for record in came) else None

    records = await until("all fetched", fetched, found.stack.cluster, within_s=within_s)
    values: dict[str, set[bytes]] = {}
    for record in records:
        assert record.partition == partition_of(record.key, PARTITIONS)
        values.setdefault(id_of(record), set()).add(record.value)
    assert {len(values[name]) for name in snapshots} == {1}, "a fetched snapshot differs from its delivery"
    assert not values.keys() & set(thin)
    return time.monotonic() - began_s


async def without_a_snapshot(found: Installation) -> None:
    _, thin = await found.events("customer.subscription.past_due", 5, 5)
    records = [one for one in await found.published("customer-event", thin) if id_of(one) in thin]
    assert len(records) == 5
    for record in records:
        value, headers = orjson.loads(record.value), h.read(record.headers)
        assert (headers[h.PAYLOAD], headers[h.TRIGGER]) == (b"object", b"customers")
        assert (value["type"], value["data"]["object"]) == ("customer.subscription.past_due", "subscription")
        assert record.key == value["data"]["customer"].encode()
    assert {(await found.runs(thin, "note"))[name] for name in thin} == {1}


async def gone_and_of_nobody(found: Installation) -> None:
    _, (gone,) = await found.events("customer.subscription.unpaid", 1, 1, gone=True)

    async def dead() -> list[ConsumerRecord] | None:
        settings = found.stack.cluster.settings
        letters = await read_topic(settings.kafka_bootstrap_servers, settings.topics.dead_letter, PARTITIONS)
        return [letter for letter in letters if gone.encode() in (letter.value or b"")] or None

    (letter,) = await until("a dead letter", dead, found.stack.cluster)
    headers = h.read(letter.headers)
    assert (headers[h.REASON], headers[h.KIND]) == (b"subject_unknown", h.THIN_EVENT)
    assert headers[h.ORIGIN_TOPIC] == b"thin.thin-event"


async def in_order_while_stripe_is_down(found: Installation) -> None:
    await found.control("/faults", {"match": {"method": "GET"}, "fault": {"status": 503}, "times": 3})
    snapshots, _ = await found.events(
        "customer.updated", 4, 1, data={"email": "ada@example.com"}, previous_attributes={"email": None}
    )
    records = [one for one in await found.published("customer-event", snapshots) if id_of(one) in snapshots]
    assert [id_of(record) for record in records] == snapshots


async def test_both_destinations_start_one_run_for_each_change(broker: Broker, tmp_path: Path) -> None:
    async with installed(broker, tmp_path) as found:
        await both_destinations(found, 60, 12, 60)
        await without_a_snapshot(found)
        await gone_and_of_nobody(found)
        await in_order_while_stripe_is_down(found)


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_ten_thousand_changes_start_ten_thousand_runs(
    broker: Broker, tmp_path: Path, note: Callable[[str], None]
) -> None:
    async with installed(broker, tmp_path) as found:
        took_s = await both_destinations(found, 10_000, 1_000, 1_500)
    note(f"10,000 changes, each sent as a snapshot and thin, twice and shuffled: {took_s:.0f} s")
