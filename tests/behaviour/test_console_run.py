"""The page of one run."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import insert, update

from stripeline.contracts.internal_records import RecordedError, Run, encode, read
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import RunCode
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.index import tables
from stripeline.workers.router.erasing import erased
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import (
    CLIENT_SECRET,
    HOSTILE,
    NOW_MS,
    TOPICS,
    command_rows,
    run_rows,
    sample_definitions,
)

STOPPED = "/runs/evt_1Sample002:welcome-deposit"
RUNNING = "/runs/evt_1Sample000:thank-big-spenders"
DONE = "/runs/evt_1Sample001:look-at-disputes"
CANCELLED = "/runs/evt_1Sample007:look-at-disputes"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def test_a_stopped_run_says_why_in_words(console: ConsolePages) -> None:
    text = await console.get(STOPPED)
    assert "Why it stopped at deposit" in text
    assert "The payment was declined: the payer needs another payment method." in text
    assert "<code>insufficient_funds</code>" in text
    assert 'href="https://dashboard.stripe.com/test/logs/req_1Sample"' in text
    assert '<a href="/dead-letters/2/2">2/2</a>' in text


async def test_a_held_run_says_what_to_do(console: ConsolePages) -> None:
    held = RecordedError(code=RunCode.HELD_LATE, message="its event was missed", retryable=False)
    place = next(place for place, one in console.records.known.items() if one.key == b"evt_1Sample002:welcome-deposit")
    record = console.records.known[place]
    run = structs.replace(read(Run, record.value or b""), steps=(), step=None, error=held)
    console.records.known[place] = replace(record, value=encode(run))
    row = {"step": None, "code": held.code, "error": held.message, "steps": 0}
    await console.index.change(
        lambda db: db.execute(update(tables.run).where(tables.run.c.run_id == run.run_id).values(row)) and None
    )
    text = await console.get(STOPPED)
    assert "<h2>Why it stopped</h2>" in text
    assert "see whether it is still to be done, then retry the run, which starts its first step, or cancel it" in text
    assert (await console.get("/runs?code=HELD_LATE")).count("evt_1Sample002:welcome-deposit</a>") == 1


async def test_its_time_line_is_in_the_order_of_time(console: ConsolePages) -> None:
    text = await console.get(STOPPED)
    words = (
        "Stripe made the event", "Ingest published it", "The router started the run", "Step customer: ",
        "Step deposit: ", "The run stopped, and waits for a person",
    )  # fmt: skip
    places = [text.index(one) for one in words]
    assert places == sorted(places)


async def test_a_run_that_waits_says_for_what(console: ConsolePages) -> None:
    text = await console.get(RUNNING)
    assert "What step deposit waits for" in text
    assert "its next attempt, when it is due" in text


async def test_each_attempt_is_on_the_time_line(console: ConsolePages) -> None:
    text = await console.get(RUNNING)
    tiers = [tier.name for tier in TOPICS.tiers[:3]]
    words = [f"Step deposit: Waited in tier {tier} after attempt {number}" for number, tier in enumerate(tiers, 1)]
    places = [text.index(one) for one in words]
    assert places == sorted(places)
    assert "<b onmouseover" not in text
    console.become(ConsoleRole.VIEWER)
    assert "onmouseover" not in await console.get(RUNNING)


async def test_the_payloads_of_a_run_are_masked(console: ConsolePages) -> None:
    text = await console.get(STOPPED) + await console.get(DONE)
    assert "&#34;amount&#34;: 5002" in text
    assert "&#34;receipt_email&#34;: &#34;…masked&#34;" in text
    assert CLIENT_SECRET not in text
    assert "@evil.example" not in text


async def test_a_viewer_sees_no_payload_of_a_run(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    text = await console.get(STOPPED) + await console.get(RUNNING)
    assert "Payloads need the role reader." in text
    for hidden in ("&#34;amount&#34;", "Your card was declined.", "too many requests", "data.receipt_email"):
        assert hidden not in text


async def test_a_changed_definition_is_shown_beside_the_runs(console: ConsolePages) -> None:
    text = await console.get(STOPPED)
    assert "The workflow has changed since" in text
    assert "<td>input.description</td>" in text


async def test_an_unchanged_definition_is_not_repeated(tmp_path: Path) -> None:
    stored = sample_definitions()
    workflow = stored.workflows["welcome-deposit"]
    steps = [
        one.model_copy(update={"input": dict(list(one.input.items())[: place + 1])})
        for place, one in enumerate(workflow.steps)
    ]
    same = workflow.model_copy(update={"steps": tuple(steps)})
    now = replace(stored, workflows={"welcome-deposit": same})
    async with console_pages(tmp_path, definitions=lambda: now) as pages:
        assert "The workflow is the same now." in await pages.get(STOPPED)


async def test_what_people_did_to_a_run_is_shown(console: ConsolePages) -> None:
    text = await console.get(CANCELLED)
    assert "ada@example.com retried it: the card is renewed" in text


async def test_the_former_command_of_a_step_is_shown(console: ConsolePages) -> None:
    newer = "evt_1Sample002:welcome-deposit:deposit:2"
    old = next(row for row in command_rows() if row["command_id"] == newer.removesuffix(":2"))
    row = {**old, "command_id": newer, "sent_ms": old["sent_ms"] + 1}
    await console.index.change(lambda db: db.execute(insert(tables.command), [row]) and None)
    del console.records.known[Topics().run, 2, 2]
    text = await console.get(STOPPED)
    assert "superseded by a later one" in text
    assert "<dt>Superseded</dt><dd><a " in text


async def test_a_run_that_kafka_has_no_more_is_shown(console: ConsolePages) -> None:
    del console.records.known[Topics().run, 2, 2]
    text = await console.get(STOPPED)
    assert "Kafka has the record of this run no more, or a newer one" in text
    assert "The payment was declined: the payer needs another payment method." in text


async def test_the_record_of_another_run_is_not_shown(console: ConsolePages) -> None:
    known = console.records.known
    known[Topics().run, 2, 2] = known[Topics().run, 2, 6]
    text = await console.get(STOPPED)
    assert "Kafka has the record of this run no more, or a newer one" in text
    assert "evt_1Sample006" not in text


async def test_a_run_is_shown_while_kafka_is_away(tmp_path: Path) -> None:
    class Away:
        async def many(self, _: object) -> Any:
            raise TimeoutError("no broker answered")

    async with console_pages(tmp_path, records=Away()) as pages:
        assert "Kafka did not give its records: no broker answered" in await pages.get(RUNNING)


async def test_hostile_ids_of_runs_lead_to_their_pages(console: ConsolePages) -> None:
    ids = ("a/b:w", "a/../b:w", 'a"b c:w', "a?b#c:w", "a%2Fb:w", "a\nb:w", "a\u202eb:w", "<script>:w", f"{HOSTILE}:w")
    rows = [{**run_rows()[0], "run_id": one, "workflow": "hostile", "event_id": one} for one in ids]
    await console.index.change(lambda db: db.execute(insert(tables.run), rows) and None)
    listed = await console.get("/runs?workflow=hostile")
    addresses = [one.split('"')[0] for one in listed.split('<td class="named"><a href="')[1:]]
    assert len(addresses) == len(ids)
    for address in addresses:
        text = await console.get(address)
        assert "<script>:w" not in text
        assert "<img src=x" not in text


async def test_an_unknown_run_leads_to_the_search(console: ConsolePages) -> None:
    text = await console.get("/runs/evt_1None:x", status=404)
    assert 'href="/search?id=evt_1None%3Ax">Back to the search' in text


async def test_an_erased_run_shows_no_payload(console: ConsolePages) -> None:
    """Its event and its commands are on their topics for some time yet."""
    place = Topics().run, 2, 2
    record = console.records.known[place]
    assert "&#34;amount&#34;: 5002" in await console.get(STOPPED)
    run = erased(read(Run, record.value or b""), NOW_MS)
    console.records.known[place] = replace(record, value=encode(run))
    text = await console.get(STOPPED)
    assert "It was erased with this run" in text
    assert "<pre" not in text
