"""Events that Stripe made and that never came, on a real Kafka, by the sandbox's lists: each is found and runs once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.contracts.deliveries.thin_events import GENERATION_FAILURE
from stripeline.contracts.internal_records import encode
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.stripe_side.sweeps import sweeper, window_sweep
from stripeline.deploy.stripe_side.unmade.event_remaking import RemakeWanted, publish_remade, remade_event
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.kafka.one_off_producer import one_off_producer
from tests.support.broker import Broker
from tests.support.cluster import KEY
from tests.support.end_state import read_topic
from tests.support.in_process_stack import in_process_stack
from tests.support.money import until
from tests.support.sweep_installation import (
    CHANGED,
    DAY_S,
    FILE,
    HOUR_S,
    PAST_DUE,
    SweepInstallation,
    installed,
    place,
)

SHOP, NEW_SHOP = "acct_1Shop", "acct_1NewShop"


async def ingest_down_for_thirty_hours(found: SweepInstallation) -> None:
    came = await found.payments(20, 30 * HOUR_S, deliver=True)
    missed = await found.payments(30, 29 * HOUR_S, deliver=False, spread_s=28 * HOUR_S)
    await found.noted(came)
    known = await found.sweep_from(30 * HOUR_S)
    assert known.settled_upto_s > time.time() - 26 * 60
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


async def endpoint_disabled_for_a_day(found: SweepInstallation) -> None:
    """Stripe sends nothing of that day, neither then nor when the destination is enabled again."""
    before = await found.payments(5, 28 * HOUR_S, deliver=True)
    await found.noted(before)
    sent = (await found.deliveries())["sent"]
    await found.control("/destinations", {"id": found.destination, "disabled_for": "Disabled by Stripe"})
    missed = await found.payments(30, 26 * HOUR_S, deliver=True, spread_s=DAY_S)
    await found.control("/destinations", {"id": found.destination, "disabled_for": None})
    after = await found.payments(5, HOUR_S, deliver=True)
    await found.noted(after)
    assert (await found.deliveries())["sent"] == sent + len(after)
    assert not set(missed) & set(await found.records())
    await found.sweep_from(29 * HOUR_S)
    everything = (*before, *missed, *after)
    records = await found.records()
    assert {name: len(records[name]) for name in everything} == dict.fromkeys(everything, 1)
    backfilled = {name for name in everything if h.SOURCE in h.read(records[name][0].headers)}
    assert backfilled == set(missed)
    assert set((await found.runs(everything)).values()) == {1}


async def thin_events_are_lost(found: SweepInstallation) -> None:
    """Each is published as ingest would have: the executor fetches it, and what it publishes says that it is late."""
    await found.control("/deliveries", {"do": "lose", "times": None})
    before = await found.deliveries()
    snapshots, of_snapshots = await found.made(CHANGED, 6, 2 * HOUR_S)
    none, alone = await found.made(PAST_DUE, 6, 2 * HOUR_S)
    assert (none, (await found.deliveries())["lost"] - before["lost"]) == ([], 12)
    await found.control("/deliveries", method="DELETE")
    await found.sweep_from(3 * HOUR_S)
    came = dict(zip((*snapshots, *alone), (*of_snapshots, *alone), strict=True))
    records = await found.published("customer-event", came)
    thin = await found.records("thin-event")
    for name, of in came.items():
        (listed,), (fetched,) = thin[of], records[name]
        late, said = h.read(listed.headers), h.read(fetched.headers)
        assert late[h.SOURCE] == said[h.SOURCE] == b"backfill"
        assert 2 * HOUR_S * 1000 - 61_000 < int(late[h.LATE_BY]) == int(said[h.LATE_BY]) < 3 * HOUR_S * 1000
        assert said[h.PAYLOAD] == (b"object" if name in alone else b"event")
    assert set((await found.runs(list(came))).values()) == {1}
    await found.sweep_from(3 * HOUR_S)
    assert {len(one) for one in (await found.records("thin-event")).values()} == {1}


async def killed_in_the_middle_of_a_window(found: SweepInstallation) -> None:
    """A part was published and no place was written: the window repeats, and the notes strike out that part."""
    missed = await found.payments(30, 5 * HOUR_S, deliver=False, spread_s=4 * HOUR_S)
    found.written.clear()
    reached = asyncio.Event()

    async def read(path: str, key: SecretStr, account: str | None) -> StripeAnswer | Fault:
        if dying.state.backfilled:
            reached.set()
            await asyncio.Event().wait()
        return await found.stripe.read(path, key, account)

    plan = found.plan
    dying = found.sweeper(6 * HOUR_S, plan, read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_sweep, "MAX_EVENTS", 12)  # a part is what fits into memory
        task = asyncio.create_task(dying.once(plan))
        async with asyncio.timeout(30):
            await reached.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        part = set(missed) & set(await found.records())
        assert 0 < len(part) < len(missed)
        assert not found.written
        await found.sweep_from(6 * HOUR_S)
    assert found.written
    records = await found.records()
    assert {name: len(records[name]) for name in missed} == dict.fromkeys(missed, 1)
    assert set((await found.runs(missed)).values()) == {1}


async def ingest_down_for_four_days(found: SweepInstallation) -> None:
    """Those of the last day are found as soon as it is back, those of the first when windows are caught up."""
    missed = await found.payments(40, 4 * DAY_S - HOUR_S, deliver=False, spread_s=4 * DAY_S - 2 * HOUR_S)
    await found.sweep_from(4 * DAY_S)
    records = await found.records()
    assert [len(records[name]) for name in missed] == [1] * len(missed)
    assert set((await found.runs(missed)).values()) == {1}
    late_ms = [int(h.read(records[name][0].headers)[h.LATE_BY]) for name in missed]
    assert max(late_ms) > 3.9 * DAY_S * 1000


async def records_are_deleted(found: SweepInstallation) -> None:
    """What was acknowledged and then lost is found: a note proves nothing whose record is gone before its time."""
    came = await found.payments(20, 2 * HOUR_S, deliver=True)
    await found.noted(came)
    topic = found.stack.cluster.settings.topics.event("payment-event")
    last: dict[int, int] = {}
    for record in (one for records in (await found.records()).values() for one in records):
        last[record.partition] = max(record.offset, last.get(record.partition, 0))
    admin = AIOKafkaAdminClient(**found.stack.cluster.client)
    await admin.start()
    for number, offset in last.items():
        await admin.delete_records({TopicPartition(topic, number): RecordsToDelete(before_offset=offset + 1)})
    await admin.close()
    lost = set(came) - set(await found.records())
    assert lost
    await found.sweep_from(3 * HOUR_S)
    records = await found.records()
    assert {name: len(records[name]) for name in lost} == dict.fromkeys(lost, 1)
    assert set((await found.runs(came)).values()) == {1}


async def connected_accounts(found: SweepInstallation) -> None:
    """Their events name them. The platform's own are not looked for, nor what is older than a connection."""
    connected = {"key": KEY, "account": SHOP, "created": int(time.time()) - DAY_S}
    await found.control("/connected", connected)
    await found.control("/connected", {"key": KEY, "account": NEW_SHOP})
    made = await found.payments(5, 2 * HOUR_S, deliver=False, account=SHOP)
    early = await found.payments(5, 2 * HOUR_S, deliver=False, account=NEW_SHOP)
    own = await found.payments(5, 2 * HOUR_S, deliver=False)
    pay = next(one for one in found.plan.own if one.name == "payments")
    await found.sweep_from(3 * HOUR_S, found.plan._replace(own=(), connected=(pay._replace(connected=True),)))
    records = await found.records()
    assert {orjson.loads(records[name][0].value)["account"] for name in made} == {SHOP}
    assert not {*own, *early} & set(records)
    await found.sweep_from(3 * HOUR_S)  # leaves nothing for the others


async def by_hand(found: SweepInstallation) -> None:
    """Exit code 1 while events are missing; nothing is published without --yes, and who asked is recorded."""
    missed = await found.payments(4, 20 * HOUR_S, deliver=False)
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


async def an_executor_does_it_by_itself(found: SweepInstallation) -> None:
    missed = await found.payments(4, HOUR_S, deliver=False)
    changes = {"sweep/acme": encode(place(found.plan, 2 * HOUR_S))}
    await publish(found.stack.cluster.settings.topics.control, found.stack.cluster.client, changes)
    await found.published("payment-event", missed)

    async def counted() -> bool:
        return 'stripeline_events_backfilled_total{connection="acme",trigger="payments"}' in found.stack.metrics

    await until("counted", counted, found.stack.cluster)
    assert 'stripeline_sweep_age_seconds{connection="acme",window="close"}' in found.stack.metrics


@asynccontextmanager
async def stack_of(
    broker: Broker, prefix: str, folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[SweepInstallation]:
    patch.setattr(sweeper, "_TICK_S", 0.2)
    async with (
        in_process_stack(broker.bootstrap_servers, prefix, folder, patch, config=FILE) as stack,
        installed(stack) as found,
    ):
        yield found


async def a_notice_is_remade(found: SweepInstallation) -> None:
    """An event that Stripe failed to make is published by its notice; twice, it starts one run. Each is recorded."""
    cluster = found.stack.cluster
    settings, client = cluster.settings, cluster.client
    notice: str = (await cluster.sandbox("/health", {"type": "payment_intent.succeeded", "key": KEY}))["id"]
    body = {
        "id": notice, "object": "v2.core.event", "type": GENERATION_FAILURE,
        "created": h.rfc3339(int(time.time()) * 1000 - HOUR_S * 1000), "livemode": False,
    }  # fmt: skip
    headers = [("ce_id", notice.encode()), (h.TRIGGER, b"payments"), (h.CONNECTION, b"acme")]
    async with one_off_producer(client) as producer:
        await producer.send_and_wait(settings.topics.health_event, orjson.dumps(body), headers=headers)
    code, listed, said = await found.cli("events", "unmade", "--json")
    assert (code, [one["notice"] for one in json.loads(listed)]) == (0, [notice]), said
    code, _, said = await found.cli("events", "remake", notice, "--why", "an incident")
    assert (code, "Nothing was done" in said) == (0, True)
    code, _, said = await found.cli("events", "remake", notice, "--why", "an incident", "--yes")
    assert code == 0, said
    event = await remade_event(settings, client, RemakeWanted(notice), int(time.time() * 1000))
    await publish_remade(settings.topics, client, event, Signed(by="ada", why="once more", at_ms=1))
    first, second = (await found.records())[notice]
    assert (first.key, first.partition) == (second.key, second.partition)
    assert h.read(first.headers)[h.SOURCE] == h.NOTICE
    assert await found.runs([notice]) == {notice: 1}
    audit = await read_topic(settings.kafka_bootstrap_servers, settings.topics.audit, 2)
    acts = [orjson.loads(one.value) for one in audit]
    assert [one["why"] for one in acts if one["act"] == "remake"] == ["an incident", "once more"]


async def test_an_executor_finds_what_never_came(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with stack_of(broker, "sweeps.", tmp_path, monkeypatch) as found:
        await ingest_down_for_thirty_hours(found)
        await thin_events_are_lost(found)
        await killed_in_the_middle_of_a_window(found)
        await an_executor_does_it_by_itself(found)
        await a_notice_is_remade(found)


@pytest.mark.long
async def test_days_deleted_records_accounts_and_by_hand(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with stack_of(broker, "long-sweeps.", tmp_path, monkeypatch) as found:
        await ingest_down_for_four_days(found)
        await endpoint_disabled_for_a_day(found)
        await connected_accounts(found)
        await by_hand(found)
        await records_are_deleted(found)
