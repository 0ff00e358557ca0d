"""One event in a hundred is acknowledged, and its record deleted before a router reads it: each is found and run once.

Real processes, a real Kafka, and the sandbox's list of events. The router reports what it lost, as a dead letter; a
comparison with Stripe's list has the events, and each workflow does with a late one as it says. What had run before its
record was deleted is published again too, and starts nothing.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import DeadLetterReason
from stripeline.deploy.local.example_events import sign
from tests.support.broker import Broker, admin
from tests.support.cluster import KEY, SECRET, Cluster, cluster
from tests.support.end_state import event_records, find, no_lag, read_topic
from tests.support.money import effects, stripeline, until

EVENTS, OBJECTS, WARM = 400, 100, 20
LOST = (1, 1, 1, 1)
"""Records that are deleted of each partition."""
_STEP = "{id: customer, action: stripe/create-customer, input: {email: '=data.receipt_email'}}"
CONFIG = """
connections:
  acme: {secret_key: "${env:ACME_KEY}", rate: {account: 5000, endpoint: 5000}}
triggers:
  payments: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
""" + "".join(f"  {late}s: {{trigger: payments, late: {late}, steps: [{_STEP}]}}\n" for late in ("run", "skip", "hold"))


async def deliver(found: Cluster, count: int, ago_s: int) -> list[str]:
    """Events of so long ago, delivered and acknowledged now."""
    body = {
        "types": ["payment_intent.succeeded"], "count": count, "key": KEY, "created": int(time.time()) - ago_s,
        "spread_s": 1_800, "deliver": True, "objects": OBJECTS, "data": {"receipt_email": "ada@example.com"},
    }  # fmt: skip
    made: list[str] = (await found.sandbox("/events", body))["ids"]
    return made


async def records(found: Cluster) -> list[Any]:
    return await event_records(found, "payment-event")


async def acknowledged_and_noted(found: Cluster, ids: Sequence[str]) -> list[Any]:
    async def there() -> list[Any] | None:
        settings = found.settings
        notes = await read_topic(settings.kafka_bootstrap_servers, settings.topics.event_seen, settings.partitions)
        noted = {one[0] for note in notes for one in orjson.loads(note.value)["events"]}
        return await records(found) if set(ids) <= noted else None

    found_records: list[Any] = await until("notes", there, found, within_s=60)
    return found_records


async def delete_first(found: Cluster, unread: Sequence[Any]) -> set[str]:
    """Delete the first records of each partition that no router has read."""
    lost: set[str] = set()
    topic = found.settings.topics.event("payment-event")
    async with admin(found.settings.kafka_bootstrap_servers) as client:
        for partition, count in enumerate(LOST):
            gone = [record for record in unread if record.partition == partition][:count]
            lost |= {orjson.loads(record.value)["id"] for record in gone}
            before = RecordsToDelete(before_offset=gone[-1].offset + 1)
            await client.delete_records({TopicPartition(topic, partition): before})
    return lost


async def deliver_again(found: Cluster, ids: Sequence[str]) -> None:
    """As Stripe does when somebody presses "Resend"."""
    async with aiohttp.ClientSession() as session:
        for event_id in ids:
            address = f"{found.sandbox_url}/v1/events/{event_id}"
            async with session.get(address, headers={"Authorization": f"Bearer {KEY}"}) as answer:
                body = await answer.read()
            headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
            async with session.post(found.url, data=body, headers=headers) as answer:
                assert answer.status == 200


async def began(found: Cluster, workflow: str) -> dict[str, int]:
    """How many customers each event's run of a workflow has made at Stripe."""
    end = f":{workflow}:customer"
    return {one.removesuffix(end): len(made) for one, made in (await effects(found)).items() if one.endswith(end)}


def in_the_promised_order(before: Sequence[Any], after: Sequence[Any], gone: set[str]) -> None:
    """What was delivered is where it was; what was found later is behind it, in its partition, under its key."""
    known = {(record.partition, record.offset) for record in before}
    late = [record for record in after if (record.partition, record.offset) not in known]
    assert {orjson.loads(record.value)["id"] for record in late} == gone
    assert len(late) == len(gone)
    keys = {orjson.loads(record.value)["id"]: (record.partition, record.key) for record in before}
    for record in late:
        said = h.read(record.headers)
        assert said[h.SOURCE] == h.BACKFILL
        assert h.late_by_ms(said) > 3_600_000
        assert (record.partition, record.key) == keys[orjson.loads(record.value)["id"]]


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_lost_events_are_found_and_run_once(broker: Broker, prefix: str, tmp_path: Path) -> None:
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=CONFIG, sweep="false") as found:
        await found.ready()
        await found.sandbox("/webhooks", {"url": found.url, "secret": SECRET, "key": KEY})
        worker = found.add("worker", "worker")
        await worker.ready()
        warm = await deliver(found, WARM, 3 * 3_600)
        await acknowledged_and_noted(found, warm)
        await no_lag(found, 60)
        assert await worker.end() == 0
        del found.processes["worker"]

        came = await deliver(found, EVENTS, 2 * 3_600)
        before = await acknowledged_and_noted(found, came)
        unread = [record for record in before if orjson.loads(record.value)["id"] in set(came)]
        lost = await delete_first(found, unread)
        assert len(lost) == EVENTS // 100

        worker = found.add("worker-2", "worker")
        await worker.ready()
        await no_lag(found, 120)
        kept = dict.fromkeys(set(warm) | set(came) - lost, 1)
        assert [await began(found, one) for one in ("runs", "skips", "holds")] == [kept] * 3
        reasons = [h.read(letter.headers)[h.REASON].decode() for letter in (await find(found)).dead]
        assert reasons == [DeadLetterReason.LOST_BY_RETENTION] * len(LOST)

        gone = lost | set(warm)
        missing = await stripeline(found, "events", "missing", "--since", "4h", "--json", "--limit", "500")
        assert (missing.code, {row["event"] for row in orjson.loads(missing.out)}) == (1, gone), missing.err
        at_once = ("events", "backfill", "--since", "4h", "--yes", "--why", "records were deleted")
        for _ in range(2):
            assert (await stripeline(found, *at_once)).code == 0
        in_the_promised_order(before, await records(found), gone)
        await no_lag(found, 60)
        everything = dict.fromkeys((*warm, *came), 1)
        assert [await began(found, one) for one in ("runs", "skips", "holds")] == [everything, kept, kept]

        await deliver_again(found, sorted(lost))
        await no_lag(found, 60)
        assert [await began(found, one) for one in ("runs", "skips", "holds")] == [everything, everything, kept]

        held = await stripeline(found, "runs", "list", "--code", "HELD_LATE", "--json")
        assert {row["run"] for row in held.rows} == {f"{one}:holds" for one in lost}
        retry = ("runs", "retry", "--code", "HELD_LATE", "--limit", "100", "--yes", "--why", "still to be done")
        assert (await stripeline(found, *retry)).code == 0
        await no_lag(found, 60)
        assert await began(found, "holds") == everything
        runs = (await find(found)).runs
        assert {run["status"] for run in runs.values()} == {"succeeded"}
        assert len(runs) == 3 * (WARM + EVENTS)
