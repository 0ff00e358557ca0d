"""Acts on many: what is previewed, confirmed, left out and stopped, through the pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from msgspec.structs import replace as changed
from sqlalchemy import update

from stripeline.contracts.internal_records import encode
from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.bulk.act_store import EXPIRES_MS
from stripeline.deploy.console.index import tables
from stripeline.deploy.operations.acts.audit import Act
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import NOW_MS, TOPICS, sample_runs

PREVIEW = "/acts/preview"
ALL_DECLINED = {
    "act": "replay",
    "filters": "state,code",
    "filter.state": "open",
    "filter.code": "PAYMENT_REQUIRED",
}


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def ended(console: ConsolePages, address: str) -> str:
    """The text of an act's page once it works no more."""
    async with asyncio.timeout(20):
        while 'hx-trigger="every 1s"' in (text := await console.get(address)):  # noqa: ASYNC110  (a page sends no notice)
            await asyncio.sleep(0.01)
    return text


async def carried_out(console: ConsolePages, form: Mapping[str, Any], **confirmed: str) -> str:
    address = await console.post(PREVIEW, form)
    assert await console.post(f"{address}/confirm", {"why": "it is repaired", "rate": "1000", **confirmed}) == address
    return await ended(console, address)


def places(acts: Sequence[Act]) -> list[str]:
    return [f"{one.partition}/{one.first}" for act in acts for one in act.audit.records]


async def test_a_preview_changes_nothing(console: ConsolePages) -> None:
    text = await console.get(await console.post(PREVIEW, ALL_DECLINED))
    assert "Replay 11 dead letters" in text
    assert "by code PAYMENT_REQUIRED, state open: 11" in text
    assert not console.committed


async def test_a_preview_says_what_each_would_risk(console: ConsolePages) -> None:
    text = await console.get(await console.post(PREVIEW, {"act": "replay", "id": ["1/900", "2/901", "3/902"]}))
    assert "Replay 2 dead letters" in text
    assert "4,200 eur, in its smallest unit, of 1" in text
    assert "stripeline:demo:order-4711" in text
    assert "past 23 h" in text
    assert "maybe" in text
    assert "it is dismissed" in text


async def test_a_confirmed_act_does_what_was_previewed(console: ConsolePages) -> None:
    text = await carried_out(console, {"act": "dismiss", "id": ["1/900", "2/2", "3/902"]})
    assert sorted(places(console.committed)) == ["1/900", "2/2"]
    assert {(act.audit.act, act.audit.by, act.audit.why) for act in console.committed} == {
        ("dismissed", "ada@example.com", "it is repaired")
    }
    assert "Certainly dismissed</dt><dd>2</dd>" in text


async def test_a_replay_goes_to_its_topic_unchanged(console: ConsolePages) -> None:
    await carried_out(console, {"act": "replay", "id": "1/900"})
    (act,) = console.committed
    (effect,) = act.effects
    assert (effect.topic, effect.partition, effect.key) == (TOPICS.command, 1, b"order-4711")
    assert effect.value == console.records.known[TOPICS.dead_letter, 1, 900].value


async def test_letters_are_acted_on_oldest_first(console: ConsolePages) -> None:
    await carried_out(console, ALL_DECLINED)
    times = [
        console.records.known[TOPICS.dead_letter, *map(int, one.split("/"))].at_ms for one in places(console.committed)
    ]
    assert len(times) == 11
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"act": "replay", "filters": "cod", "filter.cod": "X"}, "There is no filter &#39;cod&#39;"),
        ({"act": "replay", "filters": "since", "filter.since": "soon"}, "is no moment"),
        ({"act": "replay", "id": "evt_1"}, "is no dead letter"),
        ({"act": "start", "id": "stripe.run/1/2", "workflow": "w"}, "is no event"),
    ],
)
async def test_a_form_that_is_not_exact_is_refused(console: ConsolePages, form: dict[str, str], words: str) -> None:
    assert words in await console.post(PREVIEW, form, status=400)


async def test_an_act_is_confirmed_once(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    form = {"why": "it is repaired", "rate": "1000"}
    await asyncio.gather(*(console.post(f"{address}/confirm", form) for _ in range(8)))
    await ended(console, address)
    await console.post(f"{address}/confirm", form)
    await ended(console, address)
    assert len(console.committed) == len(set(places(console.committed))) == 11


async def test_a_preview_of_somebody_else_is_not_there(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    console.sign_in.identity = Identity(user="grace@example.com", role=ConsoleRole.OPERATOR)
    await console.get(address, status=404)
    await console.post(f"{address}/confirm", {"why": "it is repaired"}, status=404)
    assert not console.committed


async def test_others_see_and_stop_what_was_confirmed(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    await console.post(f"{address}/confirm", {"why": "it is repaired", "rate": "1"})
    console.sign_in.identity = Identity(user="grace@example.com", role=ConsoleRole.OPERATOR)
    await console.post(f"{address}/stop", {})
    assert "Stopped by a person" in await ended(console, address)
    assert len(console.committed) < 11
    assert "it is repaired" in await console.get("/acts")


async def test_an_old_preview_is_not_confirmed(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    await set_columns(console, since_ms=NOW_MS - EXPIRES_MS)
    assert "older than 15 minutes" in await console.get(address)
    await console.post(f"{address}/confirm", {"why": "it is repaired"})
    assert "older than 15 minutes" in await console.get(address)
    assert not console.committed


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"why": "  "}, "write a reason"),
        ({"why": "x" * 501}, "more than 500 characters"),
        ({"why": "x", "rate": "0"}, "from 1 to 1,000 a second"),
        ({"why": "x", "rate": "1e3"}, "from 1 to 1,000 a second"),
    ],
)
async def test_a_confirmation_needs_a_reason_and_a_pace(
    console: ConsolePages, form: dict[str, str], words: str
) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    assert words in await console.post(f"{address}/confirm", form, status=400)
    assert not console.committed


async def test_a_letter_that_was_closed_meanwhile_is_left_out(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    letter = tables.letter
    await console.index.change(
        lambda db: db.execute(update(letter).where(letter.c.offset == 2).values(state="settled")).rowcount
    )
    await console.post(f"{address}/confirm", {"why": "it is repaired", "rate": "1000"})
    text = await ended(console, address)
    assert "Certainly replayed</dt><dd>10</dd>" in text
    assert "1 were not as they were previewed" in text


async def test_runs_are_retried_from_their_list(console: ConsolePages) -> None:
    stopped = [run.run_id for run in sample_runs() if run.status == "stopped"]
    text = await carried_out(console, {"act": "retry", "id": stopped})
    refused = "&#39;deposit&#39;"
    assert len(console.committed) == len(stopped), (text, refused)
    acts = [act.effects[0] for act in console.committed]
    assert {one.topic for one in acts} == {TOPICS.act}
    assert [act.audit.act for act in console.committed] == ["retry_run"] * len(stopped)


async def test_a_run_that_succeeded_is_not_retried(console: ConsolePages) -> None:
    done = next(run for run in sample_runs() if run.status == "succeeded")
    text = await console.get(await console.post(PREVIEW, {"act": "retry", "id": done.run_id}))
    assert "nothing: it is succeeded" in text
    assert "/confirm" not in text


async def test_a_run_that_was_retried_meanwhile_is_left_out(console: ConsolePages) -> None:
    index, run = next((index, run) for index, run in enumerate(sample_runs()) if run.status == "stopped")
    address = await console.post(PREVIEW, {"act": "retry", "id": run.run_id})
    place = (TOPICS.run, index % 4, index)
    *first, last = run.steps
    later = changed(run, steps=(*first, changed(last, command_id=f"{last.command_id}:2", number=2)))
    console.records.known[place] = replace(console.records.known[place], value=encode(later))
    await console.post(f"{address}/confirm", {"why": "it is repaired"})
    assert "1 were not as they were previewed" in await ended(console, address)
    assert not console.committed


async def test_a_bulk_cancel_takes_runs_that_run_or_stopped(console: ConsolePages) -> None:
    form = {"act": "cancel", "filters": "workflow", "filter.workflow": "welcome-deposit"}
    await carried_out(console, form)
    wanted = {
        run.run_id
        for run in sample_runs()
        if run.workflow == "welcome-deposit" and run.status in {"running", "stopped"}
    }
    assert {act.audit.about for act in console.committed} == {f"run {one}" for one in wanted}


async def test_an_erasure_is_typed(console: ConsolePages) -> None:
    run = next(run for run in sample_runs() if run.status == "succeeded")
    address = await console.post(PREVIEW, {"act": "erase", "id": run.run_id})
    text = await console.get(address)
    assert "Events, commands, results and dead letters stay until" in text
    assert "type 1 to erase 1 run" in await console.post(f"{address}/confirm", {"why": "ticket 12"}, status=400)
    await console.post(f"{address}/confirm", {"why": "ticket 12", "typed": "1"})
    await ended(console, address)
    (act,) = console.committed
    assert act.audit.about == f"run {run.run_id}"
    assert b"evil.example" not in (act.effects[0].value or b"")


async def test_an_event_starts_the_run_of_a_workflow(console: ConsolePages) -> None:
    gone = next(sample_runs())
    runs = tables.run
    await console.index.change(lambda db: db.execute(runs.delete().where(runs.c.run_id == gone.run_id)).rowcount)
    form = {"act": "start", "id": f"{TOPICS.events[0]}/0/0", "workflow": gone.workflow}
    await carried_out(console, form)
    (act,) = console.committed
    assert act.audit.about == f"run {gone.run_id}"


async def test_an_event_that_has_its_run_starts_none(console: ConsolePages) -> None:
    form = {"act": "start", "id": f"{TOPICS.events[0]}/0/0", "workflow": next(sample_runs()).workflow}
    text = await console.get(await console.post(PREVIEW, form))
    assert "has run already" in text
    assert "/confirm" not in text


async def test_a_start_of_a_workflow_that_is_gone_says_so(console: ConsolePages) -> None:
    form = {"act": "start", "id": f"{TOPICS.events[0]}/0/0", "workflow": "gone"}
    text = await console.get(await console.post(PREVIEW, form))
    assert "gone" in text
    assert "It ended before it was done" in text


async def test_kafka_away_says_what_is_known(tmp_path: Path) -> None:
    done: list[Act] = []

    async def commit(acts: Sequence[Act], *, rate_per_s: float) -> int:
        if done:
            raise KafkaConnectionError("away")
        done.extend(acts)
        return len(acts)

    async with console_pages(tmp_path, commit=commit) as console:
        text = await carried_out(console, ALL_DECLINED, rate="4")
    assert "Certainly replayed</dt><dd>4</dd>" in text
    assert "4 were in a transaction of which the end is not known" in text
    assert "Not begun</dt><dd>3</dd>" in text
    assert "Kafka did not answer in time" in text


async def test_an_act_can_be_previewed_again(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, {"act": "dismiss", "id": ["1/900", "2/2"]})
    letter = tables.letter
    await console.index.change(
        lambda db: db.execute(update(letter).where(letter.c.offset == 2).values(state="dismissed")).rowcount
    )
    later = await console.post(f"{address}/again", {})
    assert later != address
    text = await console.get(later)
    assert "Dismiss 1 dead letter" in text
    assert "it is dismissed" in text


async def test_an_act_whose_console_died_says_so(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    await set_columns(
        console, state="running", why="it is repaired", touched_ms=NOW_MS - 300_000, committed=4, unknown=3
    )
    text = await console.get(address)
    assert "Nothing was heard of this act" in text
    assert "3 were in a transaction of which the end is not known" in text
    assert "Preview again" in text


async def test_an_index_that_is_behind_refuses_acts(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    console.index.state = replace(console.index.state, caught_up=False)
    assert "still reading" in await console.post(PREVIEW, ALL_DECLINED, status=409)
    assert "still reading" in await console.post(f"{address}/confirm", {"why": "x"}, status=409)
    assert not console.committed


@pytest.mark.parametrize("role", [ConsoleRole.VIEWER, ConsoleRole.READER])
async def test_only_an_operator_acts(console: ConsolePages, role: ConsoleRole) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    console.become(role)
    for path in (PREVIEW, f"{address}/confirm", f"{address}/stop", f"{address}/again"):
        await console.post(path, ALL_DECLINED, status=403)
    await console.get(address, status=403)
    for page in ("/dead-letters", "/dead-letters/1/900", "/runs"):
        assert "/acts/preview" not in await console.get(page)
    assert not console.committed


async def test_get_carries_nothing_out(console: ConsolePages) -> None:
    address = await console.post(PREVIEW, ALL_DECLINED)
    for path, status in (
        (f"{address}/confirm", 405),
        (f"{address}/stop", 405),
        (f"{address}/again", 405),
        (PREVIEW, 404),
    ):
        await console.get(path, status=status)
    assert not console.committed


async def test_the_desk_offers_all_only_with_a_filter(console: ConsolePages) -> None:
    assert "that match…" not in await console.get("/dead-letters")
    text = await console.get("/dead-letters?code=PAYMENT_REQUIRED")
    assert "Replay all 11 that match…" in text
    assert 'name="filters" value="code,state"' in text
    assert "that match…" not in await console.get("/dead-letters?code=PAYMENT_REQUIRED&state=dismissed")


async def test_a_list_above_the_limit_is_cut_and_says_so(
    console: ConsolePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripeline.deploy.console.bulk.letter_acts.MAX_ITEMS", 5)
    text = await console.get(await console.post(PREVIEW, ALL_DECLINED))
    assert "More match: these are the newest" in text
    assert "Replay 5 dead letters" in text


async def set_columns(console: ConsolePages, **values: Any) -> None:
    await console.index.change(lambda db: db.execute(update(tables.preview).values(values)).rowcount)


async def test_the_list_of_runs_offers_acts_by_its_filters(console: ConsolePages) -> None:
    assert "Retry selected…" in await console.get("/runs")
    assert "that match…" not in await console.get("/runs?status=stopped")
    text = await console.get("/runs?status=stopped&workflow=look-at-disputes")
    assert "Retry all that match…" in text
    assert "Erase all" not in text
    running = await console.get("/runs?status=running&workflow=look-at-disputes")
    assert "Retry all" not in running


async def test_the_page_of_a_run_offers_what_it_can_be(console: ConsolePages) -> None:
    offered = {"running": {"cancel"}, "stopped": {"retry", "cancel", "erase"}, "succeeded": {"erase"}}
    for status, acts in offered.items():
        run = next(run for run in sample_runs() if run.status == status)
        text = await console.get(f"/runs/{run.run_id}")
        assert set(re.findall(r'name="act" value="([a-z]+)"', text)) == acts
    console.become(ConsoleRole.READER)
    assert "/acts/preview" not in await console.get(f"/runs/{run.run_id}")


async def test_the_page_of_an_event_starts_runs_of_its_trigger(console: ConsolePages) -> None:
    run = next(sample_runs())
    text = await console.get(f"/events/{run.event_id}")
    assert re.findall(r"<option>([a-z-]+)</option>", text.partition('id="workflow"')[2]) == [run.workflow]
    assert f'name="id" value="{TOPICS.events[0]}/0/0"' in text
    console.become(ConsoleRole.READER)
    assert "/acts/preview" not in await console.get(f"/events/{run.event_id}")
