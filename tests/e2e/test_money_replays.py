"""`stripeline dead-letters` as an operator uses it, on real processes: looked at, planned, replayed, never twice."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from stripeline.contracts import headers as h
from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import no_lag, read_topic
from tests.support.money import (
    PAYMENT,
    Order,
    deliver,
    effects,
    ended,
    order,
    posts,
    results,
    revised,
    run_is,
    stripeline,
    until,
)

SETTINGS = {"retry_tiers": "200ms,400ms", "reconcile_after": "500ms"}
STEP, RUN = "evt_1:two-steps:customer", "evt_1:two-steps"
POISON = b'{"half": '


async def letters(found: Cluster, *filters: str) -> list[dict[str, object]]:
    return (await stripeline(found, "dead-letters", "list", "--json", *filters)).rows


async def fail_everything(found: Cluster) -> None:
    """A workflow's first step and two commands that meet 429 until they are exhausted, and a record that is no JSON."""
    await found.sandbox("/faults", {"match": {"method": "POST"}, "fault": {"status": 429}, "times": None})
    await deliver(found, "payment_intent.succeeded", {"id": "pi_1", "amount": 900}, "evt_1")
    await order(found, [
        Order(id="a", input={"name": "Ada"}, key=b"k-1"),
        Order(id="b", action=PAYMENT, input={"amount": 100, "currency": "eur"}, key=b"k-1"),
        (b"poisoned", POISON),
    ])  # fmt: skip
    await ended(found, [STEP, "a", "b"])
    await until("four dead letters", lambda: _count(found, 4), found)


async def _count(found: Cluster, wanted: int) -> bool:
    topic = found.settings.topics.dead_letter
    return len(await read_topic(found.settings.kafka_bootstrap_servers, topic, 4)) == wanted


async def check_looking(found: Cluster) -> None:
    """list and show, their filters and exit codes."""
    rows = await letters(found)
    assert len(rows) == 4
    fields = "topic partition offset key command_id action connection account reason code attempts"
    assert set(rows[0]) == {*fields.split(), "state", "first_attempt_at", "failed_at"}
    by_id = {row["command_id"]: row for row in rows}
    assert (by_id["a"]["reason"], by_id["a"]["code"], by_id["a"]["attempts"]) == ("exhausted", "RATE_LIMITED", 3)
    assert (by_id[None]["reason"], by_id[None]["key"]) == ("unreadable", "poisoned")
    wanted = {
        ("--code", "RATE_LIMITED", "--since", "1h"): {STEP, "a", "b"},
        ("--reason", "unreadable"): {None},
        ("--key", "k-1"): {"a", "b"},
        ("--id", "b"): {"b"},
    }
    said = await asyncio.gather(*(letters(found, *filters) for filters in wanted))
    assert [{row["command_id"] for row in rows} for rows in said] == list(wanted.values())
    place = f"{by_id[None]['partition']}/{by_id[None]['offset']}"
    one, other, nobody, when = await asyncio.gather(
        stripeline(found, "dead-letters", "show", "a", "--json"),
        stripeline(found, "dead-letters", "show", place, "--json"),
        stripeline(found, "dead-letters", "show", "nobody"),
        stripeline(found, "dead-letters", "list", "--since", "yesterday"),
    )
    (shown,), (poison,) = one.rows, other.rows
    assert shown["value"]["input"] == {"name": "Ada"}
    assert "429" in shown["last_error"] or "RATE_LIMITED" in shown["last_error"]
    assert poison["value"] == POISON.decode()
    assert (nobody.code, when.code) == (1, 2)


async def check_dry_run(found: Cluster) -> None:
    """It says what would happen, and writes nothing."""
    topic, bootstrap = found.settings.topics.command, found.settings.kafka_bootstrap_servers
    before = await read_topic(bootstrap, topic, 4)
    said = await stripeline(found, "dead-letters", "replay", "--json")
    assert {row["replay"] for row in said.rows} == {"is sent again with its own key", "is read again, unchanged"}
    assert "add --yes" in said.err
    assert len(await read_topic(bootstrap, topic, 4)) == len(before)


async def replay(found: Cluster, *arguments: str) -> list[dict[str, object]]:
    return (await stripeline(found, "dead-letters", "replay", "--yes", "--json", *arguments)).rows


async def check_replayed_twice(found: Cluster) -> None:
    assert len(await replay(found, "--code", "RATE_LIMITED", "--why", "Stripe is well again")) == 3
    for command in (STEP, "a", "b"):
        rows = await revised(found, command, 1)
        assert [(row["revision"], row["status"]) for row in rows] == [(0, "failed"), (1, "succeeded")]
    assert (await run_is(found, RUN, "succeeded"))["error"] is None
    assert await letters(found, "--code", "RATE_LIMITED") == []
    assert {row["state"] for row in await letters(found, "--code", "RATE_LIMITED", "--all")} == {"replayed"}
    assert await replay(found, "--code", "RATE_LIMITED") == []
    assert len(await replay(found, "--code", "RATE_LIMITED", "--all")) == 3
    await no_lag(found, within_s=30)
    done, seen = await effects(found), await results(found)
    assert {name: len(rows) for name, rows in done.items()} == dict.fromkeys([STEP, f"{RUN}:deposit", "a", "b"], 1)
    assert done["a"][0]["seq"] < done["b"][0]["seq"]
    assert {name: len(rows) for name, rows in seen.items()} == {STEP: 2, f"{RUN}:deposit": 1, "a": 2, "b": 2}
    assert len(await posts(found, "a")) == 4


async def check_the_record(found: Cluster) -> None:
    """A replayed record is the old one, with who and why."""
    topics, bootstrap = found.settings.topics, found.settings.kafka_bootstrap_servers
    copies = [r for r in await read_topic(bootstrap, topics.command, 4) if b'"command_id":"a"' in (r.value or b"")]
    assert len(copies) == 3
    assert len({(r.key, r.value, r.partition) for r in copies}) == 1
    original, first, second = copies
    told = orjson.loads(h.read(first.headers)[h.REPLAY])
    assert (told["why"], bool(told["by"])) == ("Stripe is well again", True)
    assert h.number(h.read(first.headers), h.FIRST_APPENDED_AT) == original.timestamp
    assert orjson.loads(h.read(second.headers)[h.REPLAY])["why"] == ""


async def check_unreadable(found: Cluster) -> None:
    """What can't be read comes back as it was, and ends as another dead letter."""
    assert len(await replay(found, "--reason", "unreadable")) == 1
    await until("a fifth dead letter", lambda: _count(found, 5), found)
    again = await letters(found, "--reason", "unreadable", "--all")
    assert [row["state"] for row in again] == ["open", "replayed"]
    assert {row["key"] for row in again} == {"poisoned"}
    assert len({row["partition"] for row in again}) == 1
    topic = found.settings.topics.dead_letter
    read = await read_topic(found.settings.kafka_bootstrap_servers, topic, 4)
    assert [r.value for r in read if r.key == b"poisoned"] == [POISON, POISON]


async def check_dismissed(found: Cluster) -> None:
    """Dry without --yes, refused without a reason, and then not listed, shown or replayed as open any more."""
    looked = await stripeline(found, "dead-letters", "dismiss", "--reason", "unreadable", "--json")
    assert (len(looked.rows), "add --yes" in looked.err) == (1, True)
    refused = await stripeline(found, "dead-letters", "dismiss", "--yes")
    assert (refused.code, "--why needs a reason" in refused.err) == (1, True)
    assert len(await letters(found)) == 1
    done = await stripeline(found, "dead-letters", "dismiss", "--yes", "--why", "sent by hand", "--json")
    assert (done.code, "1 dismissed" in done.err) == (0, True)
    assert (await letters(found), await replay(found)) == ([], [])
    (row,) = await letters(found, "--state", "dismissed")
    shown = await stripeline(found, "dead-letters", "show", f"{row['partition']}/{row['offset']}", "--json")
    assert shown.rows[0]["state"] == "dismissed"


@pytest.mark.long
async def test_dead_letters_are_listed_planned_and_replayed_once(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    start = time.monotonic()
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, **SETTINGS) as found:
        found.add("router-0", "router")
        found.add("executor-0", "executor")
        await found.ready()
        await fail_everything(found)
        assert (await run_is(found, RUN, "stopped"))["error"]["code"] == "RATE_LIMITED"
        await check_looking(found)
        await check_dry_run(found)
        await found.sandbox("/faults", method="DELETE")
        await check_replayed_twice(found)
        await check_the_record(found)
        await check_unreadable(found)
        await check_dismissed(found)
        nothing = await stripeline(found, "dead-letters", "replay", "--yes", "--id", "nobody", "--json")
        assert (nothing.code, nothing.out.strip()) == (0, "[]")
        note(f"dead letters: {time.monotonic() - start:.1f} s")
