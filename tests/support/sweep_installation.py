"""A stack on a real Kafka with destinations at the sandbox, whose events a test sweeps by hand, window by window."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiokafka import ConsumerRecord

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.stripe_side.sweeps.stripe_lists import Read, StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, plans
from stripeline.deploy.stripe_side.sweeps.sweeper import Sweeper
from stripeline.workers.secrets.vault import Vault, connection_secret
from stripeline.workers.stripe.api import StripeApi
from tests.support.cluster import KEY, Cluster, configure
from tests.support.end_state import event_records, read_topic
from tests.support.in_process_stack import InProcessStack
from tests.support.money import done_by_runs, until

HOUR_S, DAY_S = 3_600, 86_400
PAID = "payment_intent.succeeded"
CHANGED, PAST_DUE = "customer.updated", "customer.subscription.past_due"
"""The thin event of the first has a snapshot as its twin, that of the second has none."""
FILE = f"""
connections:
  acme: {{secret_key: "${{env:ACME_KEY}}"}}
triggers:
  payments: {{kind: stripe/payment-event, connection: acme, signing_secrets: ["${{env:ACME_WHSEC}}"]}}
  customers: {{kind: stripe/customer-event, connection: acme, payload: thin, signing_secrets: ["${{env:ACME_WHSEC}}"]}}
workflows:
  paid:
    trigger: payments
    types: [{PAID}]
    steps: [{{id: customer, action: stripe/create-customer, input: {{email: "=data.receipt_email"}}}}]
  changed:
    trigger: customers
    types: [{CHANGED}, {PAST_DUE}]
    steps: [{{id: customer, action: stripe/create-customer, input: {{description: "=data.id"}}}}]
"""


@dataclass
class SweepInstallation:
    """destination: the endpoint of payments, at Stripe. written: what sweeps would write to the control topic."""

    stack: InProcessStack
    stripe: StripeApi
    destination: str
    written: dict[str, bytes | None] = field(default_factory=dict)

    async def control(self, path: str, body: Any = None, **how: Any) -> Any:
        return await self.stack.cluster.sandbox(path, body, **how)

    async def made(self, event_type: str, count: int, ago_s: int, **more: Any) -> tuple[list[str], list[str]]:
        """Events that the sandbox makes, from so long ago on: the ids of the snapshots and of the thin ones."""
        body = {
            "types": [event_type], "count": count, "key": KEY, "created": int(time.time()) - ago_s, "spread_s": 60,
            "objects": count, **more,
        }  # fmt: skip
        found = await self.control("/events", body)
        return found["ids"], found["thin_ids"]

    async def payments(
        self, count: int, ago_s: int, *, deliver: bool, spread_s: int = 60, account: str | None = None
    ) -> list[str]:
        data = {"amount": 900, "receipt_email": "ada@example.com"}
        more = {"deliver": deliver, "spread_s": spread_s, "account": account, "data": data}
        return (await self.made(PAID, count, ago_s, **more))[0]

    async def deliveries(self) -> Mapping[str, int]:
        """What became of them, counted."""
        found: Mapping[str, int] = (await self.control("/deliveries"))["deliveries"]
        return found

    async def records(self, name: str = "payment-event") -> dict[str, list[ConsumerRecord]]:
        """What is on a topic, by event."""
        found: dict[str, list[ConsumerRecord]] = {}
        for record in await event_records(self.stack.cluster, name):
            found.setdefault(orjson.loads(record.value)["id"], []).append(record)
        return found

    async def published(self, name: str, ids: Iterable[str]) -> dict[str, list[ConsumerRecord]]:
        """What is on a topic, once each of these events is."""
        wanted = set(ids)

        async def there() -> dict[str, list[ConsumerRecord]] | None:
            found = await self.records(name)
            return found if wanted <= set(found) else None

        found: dict[str, list[ConsumerRecord]] = await until("published", there, self.stack.cluster)
        return found

    async def noted(self, ids: Sequence[str]) -> None:
        async def there() -> bool:
            settings = self.stack.cluster.settings
            notes = await read_topic(settings.kafka_bootstrap_servers, settings.topics.event_seen, 2)
            return set(ids) <= {one[0] for note in notes for one in orjson.loads(note.value)["events"]}

        await until("notes", there, self.stack.cluster)

    async def runs(self, ids: Sequence[str]) -> dict[str, int]:
        """How many customers each event's run has made at Stripe."""

        counted = await done_by_runs(self.stack.cluster, ids, "customer")
        return {name: counted[name] for name in ids}

    @property
    def plan(self) -> SweepPlan:
        (plan,) = plans(self.stack.shared.table.definitions, "acme")
        return plan

    def sweeper(self, ago_s: int, plan: SweepPlan, read: Read | None = None) -> Sweeper:
        """As of a process whose last sweep was so long ago."""
        stack = self.stack
        table, vault = stack.shared.table, Vault.from_ring(stack.cluster.settings.master_keys)
        sweeper = Sweeper(
            definitions=lambda: table.definitions,
            key=lambda name: vault.open(connection_secret(name), table.connections[name].secret_key),
            owns=lambda: True,
            lists=StripeLists(read or self.stripe.read, SweepPace(lambda _: Rate()), stack.shared.clock.now_ms),
            topics=stack.cluster.settings.topics,
            client=stack.cluster.client,
            write=self._write,
            now_ms=stack.shared.clock.now_ms,
        )
        sweeper._known["acme"] = place(plan, ago_s)
        return sweeper

    async def sweep_from(self, ago_s: int, plan: SweepPlan | None = None) -> Sweep:
        """Sweep what is due after so long, and return how far it came."""
        wanted = plan or self.plan
        sweeper = self.sweeper(ago_s, wanted)
        await sweeper.once(wanted)
        assert sweeper.state.warnings() is None
        return sweeper._known["acme"]

    async def _write(self, changes: Mapping[str, bytes | None]) -> None:
        self.written.update(changes)  # not to Kafka: the executor would go on from there, beside the test

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


def place(plan: SweepPlan, ago_s: int, at_ms: int | None = None) -> Sweep:
    """Of a connection that was swept up to so long ago, with all that it has now. Newer than what an executor writes
    unless `at_ms` says when it was written."""
    now_s = int(time.time())
    since = tuple(
        SweptSince(
            trigger=one.name, kind=one.family.kind, payload=one.listed, types=one.types, connected=one.connected,
            since_s=now_s - 10 * DAY_S,
        )
        for one in (*plan.own, *plan.connected)
    )  # fmt: skip
    return Sweep(
        account=plan.account, mode="test", triggers=since, settled_upto_s=now_s - ago_s, closed_upto_s=now_s - ago_s,
        at_ms=now_s * 1000 + 1_000_000_000 if at_ms is None else at_ms,
    )  # fmt: skip


@asynccontextmanager
async def installed(stack: InProcessStack) -> AsyncIterator[SweepInstallation]:
    """Of a stack that was configured with `FILE`: its secret becomes that of the destination."""
    cluster, table = stack.cluster, stack.shared.table
    destination, secret = await _made_destination(cluster)
    first = table.definitions.triggers["payments"].signing_secrets
    await configure(cluster, FILE, {"ACME_WHSEC": secret})

    async def known() -> bool:
        return table.definitions.triggers["payments"].signing_secrets != first

    await until("the secret", known, cluster)
    thin = {"url": cluster.url.replace("payments", "customers"), "secret": secret, "key": KEY, "thin": True}
    await cluster.sandbox("/webhooks", thin | {"types": [f"v1.{CHANGED}", f"v1.{PAST_DUE}"]})
    async with stripe_client(cluster.settings) as stripe:
        yield SweepInstallation(stack, stripe, destination)


async def _made_destination(cluster: Cluster) -> tuple[str, str]:
    """A webhook endpoint that is made through Stripe's API: its id and its secret."""
    form = {"url": cluster.url, "enabled_events[0]": PAID}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{cluster.sandbox_url}/v1/webhook_endpoints", data=form, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        made = await answer.json()
    return made["id"], made["secret"]
