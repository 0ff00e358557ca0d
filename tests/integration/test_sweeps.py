"""Events that Stripe made and that never came, on a real Kafka, by the sandbox's list: each is found, and runs once."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.families import families
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.stripe_side.sweeps.stripe_lists import Read, StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import plans
from stripeline.deploy.stripe_side.sweeps.sweeper import Sweeper
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.secrets.vault import Vault, connection_secret
from stripeline.workers.stripe.api import StripeApi
from tests.support.broker import Broker
from tests.support.cluster import KEY, SECRET
from tests.support.end_state import read_topic
from tests.support.in_process_stack import InProcessStack, in_process_stack
from tests.support.money import effects, until

HOUR_S, DAY_S = 3_600, 86_400
SHOP = "acct_1Shop"
TYPE = "payment_intent.succeeded"


@dataclass
class Installation:
    """The stack, with a sweeper that a test calls by hand."""

    stack: InProcessStack
    sweeper: Sweeper

    async def events(
        self, count: int, ago_s: int, *, deliver: bool, spread_s: int = 60, account: str | None = None
    ) -> list[str]:
        """Events that the sandbox makes, from so long ago on."""
        body = {
            "types": [TYPE], "count": count, "key": KEY, "created": int(time.time()) - ago_s, "spread_s": spread_s,
            "deliver": deliver, "objects": count, "data": {"amount": 900, "receipt_email": "ada@example.com"},
            "account": account,
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

    async def place(self, ago_s: int, *, connected: bool = False) -> None:
        now_s = int(time.time())
        since = SweptSince(
            trigger="payments",
            kind="stripe/payment-event",
            payload="snapshot",
            types=families()["stripe/payment-event"].types,
            since_s=now_s - 10 * DAY_S,
            connected=connected,
        )
        self.sweeper._known["acme"] = Sweep(
            mode="test", triggers=(since,), settled_upto_s=now_s - ago_s,
            closed_upto_s=now_s - ago_s, at_ms=int(time.time() * 1000) + 1_000_000_000,
        )  # fmt: skip

    async def last_of_each_partition(self) -> dict[int, Any]:
        """The record in the middle of each partition of the topic of payments."""
        by_partition: dict[int, list[Any]] = {}
        for records in (await self.records()).values():
            for record in records:
                by_partition.setdefault(record.partition, []).append(record)
        return {number: max(found, key=lambda one: one.offset) for number, found in by_partition.items()}

    async def cli(self, *arguments: str) -> tuple[int, str, str]:
        settings = self.stack.cluster.settings
        environment = {
            **os.environ, "STRIPELINE_MASTER_KEY": settings.master_keys[0].get_secret_value(),
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "STRIPELINE_TOPIC_PREFIX": settings.topic_prefix,
            "STRIPELINE_PARTITIONS": "2", "STRIPELINE_STRIPE_API_BASE": settings.stripe_api_base,
            "STRIPELINE_RETRY_TIERS": "200ms,400ms,30s",
        }  # fmt: skip
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stripeline.deploy", *arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await child.communicate()
        return child.returncode or 0, out.decode(), err.decode()

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


def reading(stripe: StripeApi) -> Read:
    """With a list of connected accounts, which the sandbox does not have."""

    async def read(path: str, key: SecretStr, account: str | None) -> StripeAnswer | Fault:
        if not path.startswith("/v1/accounts?"):
            return await stripe.read(path, key, account)
        body = {"object": "list", "has_more": False, "data": [{"id": SHOP, "object": "account", "created": 1}]}
        return StripeAnswer(status=200, headers={}, body=orjson.dumps(body))

    return read


async def unwritten(_: Mapping[str, bytes | None]) -> None:
    pass


def sweeper_of(stack: InProcessStack, stripe: StripeApi) -> Sweeper:
    settings = stack.cluster.settings
    vault = Vault.from_ring(settings.master_keys)
    return Sweeper(
        definitions=lambda: stack.shared.table.definitions,
        key=lambda name: vault.open(connection_secret(name), stack.shared.table.connections[name].secret_key),
        owns=lambda: True,
        lists=StripeLists(reading(stripe), SweepPace(lambda _: Rate()), stack.shared.clock.now_ms),
        topics=settings.topics,
        client=stack.cluster.client,
        write=unwritten,  # else the executor would go on from there, beside the test
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


async def ingest_down_for_four_days(found: Installation) -> None:
    """Those of the last day are found as soon as it is back, those of the first when windows are caught up."""
    missed = await found.events(40, 4 * DAY_S - HOUR_S, deliver=False, spread_s=4 * DAY_S - 2 * HOUR_S)
    await found.sweep_from(4 * DAY_S)
    records = await found.records()
    assert [len(records[name]) for name in missed] == [1] * len(missed)
    assert set((await found.runs(missed)).values()) == {1}
    late_ms = [int(h.read(records[name][0].headers)[h.LATE_BY]) for name in missed]
    assert max(late_ms) > 3.9 * DAY_S * 1000


async def records_are_deleted(found: Installation) -> None:
    """What was acknowledged and then lost is found: a note proves nothing whose record is gone before its time."""
    came = await found.events(20, 2 * HOUR_S, deliver=True)
    await found.noted(came)
    topic = found.stack.cluster.settings.topics.event("payment-event")
    admin = AIOKafkaAdminClient(**found.stack.cluster.client)
    await admin.start()
    for number, gone in (await found.last_of_each_partition()).items():
        await admin.delete_records({TopicPartition(topic, number): RecordsToDelete(before_offset=gone.offset + 1)})
    await admin.close()
    lost = set(came) - set(await found.records())
    assert lost
    await found.sweep_from(3 * HOUR_S)
    records = await found.records()
    assert {name: len(records[name]) for name in lost} == dict.fromkeys(lost, 1)
    assert set((await found.runs(came)).values()) == {1}


async def connected_accounts(found: Installation) -> None:
    """Their events name them, and those of the platform are not looked for."""
    cluster = found.stack.cluster
    await cluster.sandbox("/connected", {"key": KEY, "account": SHOP})
    made = await found.events(5, 2 * HOUR_S, deliver=False, account=SHOP)
    own = await found.events(5, 2 * HOUR_S, deliver=False)
    (plan,) = plans(found.sweeper.definitions(), "acme")
    (pay,) = plan.own
    plan = plan._replace(own=(), connected=(pay._replace(connected=True),))
    await found.place(3 * HOUR_S, connected=True)
    await found.sweeper.once(plan)
    assert found.sweeper.state.warnings() is None
    records = await found.records()
    assert {orjson.loads(records[name][0].value)["account"] for name in made} == {SHOP}
    assert not set(own) & set(records)
    await found.sweep_from(3 * HOUR_S)  # leaves nothing for the others


async def by_hand(found: Installation) -> None:
    """Exit code 1 while events are missing; nothing is published without --yes, and who asked is recorded."""
    missed = await found.events(4, 20 * HOUR_S, deliver=False)
    code, listed, said = await found.cli("events", "missing", "--since", "1d", "--json")
    assert (code, {row["event"] for row in json.loads(listed)}) == (1, set(missed)), said
    code, _, said = await found.cli("events", "backfill", "--since", "1d")
    assert (code, "4 would be published" in said) == (0, True), said
    assert not set(missed) & set(await found.records())
    code, _, said = await found.cli("events", "backfill", "--since", "1d", "--yes")
    assert (code, "--why" in said) == (1, True)
    code, _, said = await found.cli("events", "backfill", "--since", "1d", "--yes", "--why", "disabled")
    assert (code, "4 published" in said) == (0, True), said
    code, listed, said = await found.cli("events", "missing", "--since", "1d", "--json")
    assert (code, json.loads(listed)) == (0, []), said
    assert set((await found.runs(missed)).values()) == {1}
    topics, servers = found.stack.cluster.settings.topics, found.stack.cluster.settings.kafka_bootstrap_servers
    acts = [orjson.loads(one.value) for one in await read_topic(servers, topics.audit, 2)]
    assert [one["why"] for one in acts if one["act"] == "backfill"] == ["disabled"]


async def an_executor_does_it_by_itself(found: Installation) -> None:
    missed = await found.events(4, HOUR_S, deliver=False)
    await found.place(2 * HOUR_S)
    changes = {"sweep/acme": encode(found.sweeper._known["acme"])}
    await publish(found.stack.cluster.settings.topics.control, found.stack.cluster.client, changes)

    async def published() -> bool:
        return set(missed) <= set(await found.records())

    await until("a sweep of the executor", published, found.stack.cluster)
    assert 'stripeline_events_backfilled_total{connection="acme",trigger="payments"}' in found.stack.metrics
    assert 'stripeline_sweep_age_seconds{connection="acme",window="close"}' in found.stack.metrics


async def test_an_executor_finds_what_never_came(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with (
        in_process_stack(broker.bootstrap_servers, "sweeps.", tmp_path, monkeypatch) as stack,
        installed(stack) as found,
    ):
        await ingest_down_for_thirty_hours(found)
        await an_executor_does_it_by_itself(found)


@pytest.mark.long
async def test_days_deleted_records_accounts_and_by_hand(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with (
        in_process_stack(broker.bootstrap_servers, "long-sweeps.", tmp_path, monkeypatch) as stack,
        installed(stack) as found,
    ):
        await ingest_down_for_four_days(found)
        await connected_accounts(found)
        await by_hand(found)
        await records_are_deleted(found)
